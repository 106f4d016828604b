//! llama.cpp, built once for this machine from the sources that its Python package brings: the library that Python calls
//! and `llama-server`, which serves it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::peers;
use crate::host::process::{self, command};
use crate::host::progress;
use crate::host::workspace::Workspace;

const REQUIREMENTS: &str = "tests/bench/peers/requirements-llama.txt";
const PACKAGE: &str = "llama-cpp-python";

/// What was built.
pub(super) struct Llama {
    venv: PathBuf,
    build: PathBuf,
}

impl Llama {
    /// Installs and builds what is not there: a quarter of an hour on two cores, the first time.
    pub(super) fn ensure(workspace: &Workspace) -> Result<Self> {
        progress::heading("peers");
        let home = workspace.target().join("peers");
        fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
        let _one_at_a_time = workspace.lock("peers")?;
        let (venv, sources) = (home.join("llama"), home.join("llama-cpp"));
        let requirements = workspace.path(REQUIREMENTS);
        // Python takes the library that is built below.
        let nothing = ("CMAKE_ARGS", "-DLLAMA_BUILD=OFF".to_owned());
        peers::python(workspace, "llama.cpp's Python", &venv, &requirements, Some(nothing))?;
        let llama = Self { venv, build: sources.join("build") };
        let source = sources.join("source");
        peers::stamped("llama.cpp's sources", &[&requirements], &source, |step| {
            let wanted = version(&workspace.read(REQUIREMENTS)?)?;
            let packed = sources.join("packed");
            for old in [&packed, &source].into_iter().filter(|old| old.exists()) {
                fs::remove_dir_all(old).with_context(|| format!("cannot remove {}", old.display()))?;
            }
            let mut pip = llama.tool("python");
            pip.args(["-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "--no-binary", PACKAGE]);
            pip.arg("--dest").arg(&packed).arg(&wanted);
            process::run(step, pip, &workspace.log("peers-llama-sources")?).context("cannot download llama.cpp")?;
            fs::create_dir_all(&source).with_context(|| format!("cannot create {}", source.display()))?;
            let mut tar = command("tar");
            tar.args(["-x", "-z", "--strip-components=1", "-C"]).arg(&source).arg("-f").arg(only_file(&packed)?);
            process::run(step, tar, &workspace.log("peers-llama-sources")?).context("cannot unpack llama.cpp")?;
            Ok(())
        })?;
        let mut configure = llama.tool("cmake");
        configure.args(["-G", "Ninja", "-S"]).arg(source.join("vendor").join("llama.cpp")).arg("-B").arg(&llama.build);
        configure.args(arguments(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()));
        let ninja = llama.venv.join("bin").join("ninja");
        configure.arg(format!("-DCMAKE_MAKE_PROGRAM={}", ninja.display()));
        process::run_as_step("llama.cpp: configure", configure, &workspace.log("peers-llama-configure")?)?;
        // Does nothing where nothing changed.
        let mut build = llama.tool("cmake");
        build.arg("--build").arg(&llama.build).args(["--target", "llama", "llama-server"]);
        process::run_as_step("llama.cpp: build", build, &workspace.log("peers-llama-build")?)?;
        Ok(llama)
    }

    /// Python with the library that was built.
    pub(super) fn python(&self) -> Command {
        let mut python = self.tool("python");
        python.env("LLAMA_CPP_LIB_PATH", self.build.join("bin"));
        python
    }

    /// `llama-server`, from the same build.
    pub(super) fn server(&self) -> PathBuf {
        self.build.join("bin").join("llama-server")
    }

    fn tool(&self, name: &str) -> Command {
        command(self.venv.join("bin").join(name))
    }
}

/// The requirement that names the package with its sources.
fn version(requirements: &str) -> Result<String> {
    let line = requirements.lines().find(|line| line.starts_with(PACKAGE));
    Ok(line.with_context(|| format!("{REQUIREMENTS} does not name {PACKAGE}"))?.to_owned())
}

fn only_file(directory: &Path) -> Result<PathBuf> {
    let mut entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let entry = entries.next().with_context(|| format!("{} is empty", directory.display()))?;
    Ok(entry.with_context(|| format!("cannot read {}", directory.display()))?.path())
}

/// What llama.cpp is built for: all that this machine's processor has and llama.cpp uses, without its kernels for AMX,
/// which crash in a plain decode where this was written. Nothing is fetched, and nothing built but the library and the server.
fn arguments(cpuinfo: &str) -> Vec<String> {
    const FEATURES: [(&str, &str); 10] = [
        ("avx", "AVX"),
        ("avx2", "AVX2"),
        ("fma", "FMA"),
        ("f16c", "F16C"),
        ("bmi2", "BMI2"),
        ("avx_vnni", "AVX_VNNI"),
        ("avx512f", "AVX512"),
        ("avx512_vnni", "AVX512_VNNI"),
        ("avx512vbmi", "AVX512_VBMI"),
        ("avx512_bf16", "AVX512_BF16"),
    ];
    const OFF: [&str; 8] = [
        "GGML_NATIVE",
        "LLAMA_BUILD_TESTS",
        "LLAMA_BUILD_EXAMPLES",
        "LLAMA_BUILD_APP",
        "LLAMA_BUILD_UI",
        "LLAMA_USE_PREBUILT_UI",
        "LLAMA_OPENSSL",
        "LLAMA_SUBPROCESS",
    ];
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    let mut arguments = vec!["-DCMAKE_BUILD_TYPE=Release".to_owned()];
    arguments.extend(OFF.map(|option| format!("-D{option}=OFF")));
    arguments.extend(FEATURES.map(|(flag, feature)| {
        let value = if flags.split_whitespace().any(|have| have == flag) { "ON" } else { "OFF" };
        format!("-DGGML_{feature}={value}")
    }));
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_built_for_what_the_processor_has() {
        let arguments = arguments("model name: x\nflags\t\t: fma avx512_vnni amx_int8\n");
        let has = |argument: &str| arguments.iter().any(|have| have == argument);
        assert!(
            has("-DGGML_FMA=ON") && has("-DGGML_AVX512_VNNI=ON") && has("-DGGML_AVX2=OFF") && has("-DGGML_NATIVE=OFF")
        );
        assert!(!arguments.iter().any(|argument| argument.contains("AMX")));
    }

    #[test]
    fn every_requirement_has_an_exact_version() {
        let text = Workspace::locate().read(REQUIREMENTS).unwrap();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(line.contains("=="), "{line}");
        }
        assert!(version(&text).unwrap().starts_with("llama-cpp-python=="));
    }
}
