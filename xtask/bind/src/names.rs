//! The names of functions, which traces of panics show. Each ends with a hash of sixteen digits that nobody reads and that
//! does not compress: of three thousand functions, some 35 KB of what is uploaded. Types in angle brackets have long paths,
//! by which no trace is told apart: another 10 KB. What drops a value, a fifth of all functions, has no name: a trace tells
//! who dropped it, and 15 KB are not uploaded. What is imported has its name where it is imported.

use anyhow::Result;
use wasm_encoder::{Module, NameMap, NameSection, RawSection};
use wasmparser::{KnownCustom, Name, Parser, Payload, TypeRef};

/// A module as it was, with functions' names that have no hashes. All other sections are the same bytes; of names, those of
/// functions stay.
pub(crate) fn shorten(wasm: &[u8]) -> Result<Vec<u8>> {
    let (mut module, mut imported) = (Module::new(), 0);
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        if let Payload::ImportSection(imports) = &payload {
            for import in imports.clone().into_imports() {
                imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
            }
        }
        if let Payload::CustomSection(custom) = &payload
            && let KnownCustom::Name(names) = custom.as_known()
        {
            let mut kept = NameSection::new();
            for name in names {
                if let Name::Function(map) = name? {
                    kept.functions(&shortened(map, imported)?);
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

fn shortened(map: wasmparser::NameMap<'_>, first: u32) -> Result<NameMap> {
    let mut kept = NameMap::new();
    for naming in map {
        let naming = naming?;
        if naming.index >= first && !naming.name.starts_with(DROPS) {
            kept.append(naming.index, &without_paths(without_hash(naming.name)));
        }
    }
    Ok(kept)
}

/// How the name of a function begins that drops a value.
const DROPS: &str = "core::ptr::drop_in_place<";

/// `<&mut Reader<R> as Read>::read` of `<&mut a::b::Reader<R> as c::Read>::read`: within brackets no type has a path.
fn without_paths(name: &str) -> String {
    let (mut kept, mut depth, mut rest) = (String::with_capacity(name.len()), 0_usize, name);
    while let Some(next) = rest.chars().next() {
        if let Some(behind) = rest.strip_prefix("::").filter(|_| depth > 0 && !kept.ends_with('>')) {
            let is_of_path = |character: char| character.is_alphanumeric() || "_[]".contains(character);
            kept.truncate(kept.trim_end_matches(is_of_path).len());
            rest = behind;
            continue;
        }
        match next {
            '<' => depth += 1,
            // `->` closes nothing.
            '>' if !kept.ends_with('-') => depth = depth.saturating_sub(1),
            _ => {}
        }
        kept.push(next);
        rest = &rest[next.len_utf8()..];
    }
    kept
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
    use wasm_encoder::{CodeSection, CustomSection, EntityType, Function, FunctionSection, ImportSection, TypeSection};

    #[test]
    fn types_in_brackets_lose_their_paths() {
        for (name, short) in [
            ("a::b::c", "a::b::c"),
            ("<&mut a::b::Reader<R> as c::Read>::read", "<&mut Reader<R> as Read>::read"),
            ("a::_::<impl b::C for d::E>::f::{{closure}}", "a::_::<impl C for E>::f::{{closure}}"),
            ("<core[c5930c85a12de822]::str::Chars as a::I>::next", "<Chars as I>::next"),
            ("<fn(a::B) -> c::D as e::F<T>>::g", "<fn(B) -> D as F<T>>::g"),
            ("<a::B<T>::C as d::E>::f", "<B<T>::C as E>::f"),
            ("a<", "a<"),
            ("a>b::c", "a>b::c"),
            ("<\u{4f60}::\u{597d}>", "<\u{597d}>"),
            ("", ""),
        ] {
            assert_eq!(without_paths(name), short, "{name}");
        }
    }

    #[test]
    fn names_lose_their_hashes_and_nothing_else_changes() {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
        let names = ["a::b::h0123456789abcdef", "a::b::habcdefabcdefabcd", "a::html", "h0123456789abcdef", "\u{4f60}"];
        let names = names.into_iter().chain(["core::ptr::drop_in_place<a::B<C>>::h0123456789abcdef"]);
        let (mut imports, mut named) = (ImportSection::new(), NameMap::new());
        imports.import("somewhere", "something", EntityType::Function(0));
        named.append(0, "something");
        for (index, name) in (1..).zip(names) {
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
            module
                .section(&types)
                .section(&imports)
                .section(&functions)
                .section(&code)
                .section(&section)
                .section(&other);
            module.finish()
        };
        // What is imported has no name here.
        let mut expected = NameMap::new();
        for (index, name) in (1..).zip(["a::b", "a::b", "a::html", "h0123456789abcdef", "\u{4f60}"]) {
            expected.append(index, name);
        }
        assert_eq!(shorten(&module(&named)).unwrap(), module(&expected));
        assert!(shorten(b"no module").is_err());
    }
}
