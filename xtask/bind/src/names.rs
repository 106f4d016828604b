//! The names of functions, which traces of panics show. Each ends with a hash of sixteen digits that nobody reads and that
//! does not compress: of three thousand functions, some 35 KB of what is uploaded.

use anyhow::Result;
use wasm_encoder::{Module, NameMap, NameSection, RawSection};
use wasmparser::{KnownCustom, Name, Parser, Payload};

/// A module as it was, with functions' names that have no hashes. All other sections are the same bytes; of names, those of
/// functions and of data stay.
pub(crate) fn shorten(wasm: &[u8]) -> Result<Vec<u8>> {
    let mut module = Module::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        if let Payload::CustomSection(custom) = &payload
            && let KnownCustom::Name(names) = custom.as_known()
        {
            let mut kept = NameSection::new();
            for name in names {
                match name? {
                    Name::Function(map) => kept.functions(&shortened(map, without_hash)?),
                    Name::Data(map) => kept.data(&shortened(map, |name| name)?),
                    _ => {}
                }
            }
            module.section(&kept);
            continue;
        }
        if let Some((id, range)) = payload.as_section() {
            module.section(&RawSection { id, data: &wasm[range] });
        }
    }
    Ok(module.finish())
}

fn shortened(map: wasmparser::NameMap<'_>, shorten: impl Fn(&str) -> &str) -> Result<NameMap> {
    let mut kept = NameMap::new();
    for naming in map {
        let naming = naming?;
        kept.append(naming.index, shorten(naming.name));
    }
    Ok(kept)
}

/// `a::b` of `a::b::h0123456789abcdef`.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((path, hash)) if hash.len() == 16 && hash.bytes().all(|digit| digit.is_ascii_hexdigit()) => path,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{CodeSection, CustomSection, Function, FunctionSection, TypeSection};

    #[test]
    fn names_lose_their_hashes_and_nothing_else_changes() {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
        let names = ["a::b::h0123456789abcdef", "a::b::habcdefabcdefabcd", "a::html", "h0123456789abcdef", "\u{4f60}"];
        let mut named = NameMap::new();
        for (index, name) in (0..).zip(names) {
            functions.function(0);
            let mut body = Function::new([]);
            body.instructions().end();
            code.function(&body);
            named.append(index, name);
        }
        let module = |named: &NameMap| {
            let mut section = NameSection::new();
            section.functions(named);
            let mut module = Module::new();
            let other = CustomSection { name: "other".into(), data: (&[1, 2, 3]).into() };
            module.section(&types).section(&functions).section(&code).section(&section).section(&other);
            module.finish()
        };
        let mut expected = NameMap::new();
        for (index, name) in (0..).zip(["a::b", "a::b", "a::html", "h0123456789abcdef", "\u{4f60}"]) {
            expected.append(index, name);
        }
        assert_eq!(shorten(&module(&named)).unwrap(), module(&expected));
        assert!(shorten(b"no module").is_err());
    }
}
