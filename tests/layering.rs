//! One package has no crate walls, so this test is the wall: it reads the sources and fails on an
//! import against the order of the layers, on a library named outside the layer that owns it, and
//! on what the house style rules out.
//!
//! It reads text, not types: comments, strings and `#[cfg(test)]` items are blanked out first, and
//! what is left is searched word by word. Each rule is also tried on a text that breaks it, at the
//! end, so that a rule that has stopped working is noticed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a test's helpers are part of the test

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each layer and the layers that it may import; `base` may be used by all and imports none.
/// The list is shorter than "everything below" where a layer is to stay pure: `policy` and
/// `identity` must give the same answer in a test as in the service.
const LAYERS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("store", &["base"]),
    ("ledger", &["base", "store"]),
    ("identity", &["base", "ledger"]),
    ("projection", &["base", "store", "ledger", "identity"]),
    ("policy", &["base"]),
    ("service", &["base", "store", "ledger", "identity", "projection", "policy"]),
    ("api", &["base", "store", "ledger", "identity", "projection", "policy", "service"]),
    ("console", &["base", "store", "ledger", "identity", "projection", "policy", "service"]),
    ("cli", &["base", "store", "ledger", "identity", "projection", "policy", "service"]),
];

/// A name, the files that may use it (a path below `src`, or a folder with its final slash) and
/// why nobody else.
const OWNED: &[(&str, &[&str], &str)] = &[
    ("rocksdb", &["store/"], "only store knows the disk"),
    ("librocksdb_sys", &["store/"], "only store knows the disk"),
    ("SystemTime::now", &["base/clock.rs"], "time comes from base::clock::Clock"),
    ("Timestamp::now", &["base/clock.rs"], "time comes from base::clock::Clock"),
    ("Zoned::now", &["base/clock.rs"], "time comes from base::clock::Clock"),
    ("getrandom", &["base/random.rs"], "randomness comes from base::random::Random"),
    ("OsRng", &["base/random.rs"], "randomness comes from base::random::Random"),
    ("thread_rng", &["base/random.rs"], "randomness comes from base::random::Random"),
    ("rand", &["base/random.rs"], "randomness comes from base::random::Random"),
    ("blake3", &["base/", "ledger/"], "hashes come from base::crypto or the ledger"),
    ("sha2", &["base/", "ledger/"], "hashes come from base::crypto or the ledger"),
    ("sha1", &["base/"], "hashes come from base::crypto"),
    ("hmac", &["base/"], "keyed hashes come from base::crypto"),
    ("argon2", &["base/"], "password hashes come from base::crypto"),
    ("chacha20", &["base/"], "encryption comes from base::crypto"),
    ("ring::aead", &["base/"], "encryption comes from base::crypto"),
    ("ed25519_dalek", &["base/"], "signatures come from base::signature"),
    ("quick_xml", &["api/"], "only api knows XML"),
    ("xml::", &["api/"], "only api knows XML"),
];

/// What a pure layer does not name: it neither reads nor writes the world, nor waits for it.
const PURE_LAYERS: &[&str] = &["identity", "policy"];
/// Addresses (`std::net::IpAddr`) are values and may be named; sockets are not.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "tokio",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
];

/// What stops the process instead of answering; clippy sees most of it, but not inside macros.
const STOPPING: &[&str] =
    &[".unwrap()", ".expect(\"", "panic!", "todo!", "unimplemented!", "unreachable!"];

const MOST_LINES: usize = 700;

/// A source file: where it is below its folder (`policy/decide.rs`) and what it says.
struct Source {
    path: String,
    text: String,
}

// ---- Reading ----

fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder` with one of these extensions, sorted by path.
fn read(folder: &Path, extensions: &[&str]) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
            if path.is_dir() {
                folders.push(path);
            } else if extensions.contains(&extension) {
                let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                let path = path.strip_prefix(folder).unwrap().to_str().unwrap().to_string();
                sources.push(Source { path, text });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

/// The code alone: comments and the contents of strings and character literals become spaces.
/// Lines and columns stay where they were.
fn code_of(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text.as_bytes()[at..];
        let end = if rest.starts_with(b"//") {
            at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") {
            at + block_comment(rest)
        } else if let Some(length) = raw_string(&bytes, at, rest) {
            at + length
        } else if rest[0] == b'"' {
            let end = at + string(rest);
            // The quotes stay, so that `.expect("` is still seen.
            blank(&mut bytes[at + 1..end.saturating_sub(1).max(at + 1)]);
            at = end;
            continue;
        } else if rest[0] == b'\'' {
            match character(rest) {
                Some(length) => at + length,
                None => {
                    at += 1; // a lifetime
                    continue;
                }
            }
        } else {
            at += 1;
            continue;
        };
        blank(&mut bytes[at..end]);
        at = end;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|b| **b != b'\n') {
        *byte = b' ';
    }
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn string(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// The length of a raw string (`r"..."`, `br#"..."#`) that begins here.
fn raw_string(all: &[u8], at: usize, rest: &[u8]) -> Option<usize> {
    if rest[0] != b'r' {
        return None;
    }
    // `r` may also end a name (`for"` cannot follow, but `r#type` and `var#` can).
    let before = if at > 0 { all[at - 1] } else { b' ' };
    let prefixed = before == b'b' && (at < 2 || !is_name(all[at - 2]));
    if is_name(before) && !prefixed {
        return None;
    }
    let hashes = rest[1..].iter().take_while(|b| **b == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let body = 2 + hashes;
    let found = rest[body..].windows(close.len()).position(|w| w == close);
    Some(found.map_or(rest.len(), |n| body + n + close.len()))
}

/// The length of a character literal that begins here; `None` for a lifetime.
fn character(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        let close = rest.iter().skip(3).position(|b| *b == b'\'')?;
        return Some(close + 4);
    }
    // One character of up to four bytes, then the closing quote.
    (2..=5)
        .find(|n| rest.get(*n) == Some(&b'\''))
        .filter(|n| std::str::from_utf8(&rest[1..*n]).is_ok_and(|s| s.chars().count() == 1))
        .map(|n| n + 1)
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Blanks items that are compiled for tests only, and collects the names of such modules that
/// have a file of their own.
fn without_tests(code: &str) -> (String, Vec<String>) {
    let mut bytes = code.as_bytes().to_vec();
    let mut modules = Vec::new();
    for mark in ["#[cfg(test)]", "#[cfg(all(test", "#[cfg(any(test"] {
        for (start, _) in code.match_indices(mark) {
            let rest = &code[start..];
            let end = rest.find([';', '{']).map_or(rest.len(), |n| match rest.as_bytes()[n] {
                b'{' => n + braces(&rest[n..]),
                _ => n + 1,
            });
            if let Some((_, name)) = rest[..end].rsplit_once("mod ")
                && let Some(name) = name.strip_suffix(';')
            {
                modules.push(name.trim().to_string());
            }
            blank(&mut bytes[start..start + end]);
        }
    }
    (String::from_utf8_lossy(&bytes).into_owned(), modules)
}

fn braces(rest: &str) -> usize {
    let mut depth = 0;
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth == 1 => return at + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    rest.len()
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].bytes().filter(|b| *b == b'\n').count() + 1
}

/// Where `word` stands by itself: `rand` is found in `rand::random`, not in `operand`.
fn occurrences<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let whole =
        |edge: u8, neighbour: Option<u8>| !(is_name(edge) && neighbour.is_some_and(is_name));
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let bytes = code.as_bytes();
        let (first, last) = (word.as_bytes()[0], word.as_bytes()[word.len() - 1]);
        whole(first, at.checked_sub(1).map(|n| bytes[n]))
            && whole(last, bytes.get(at + word.len()).copied())
    })
}

// ---- Rules ----

/// The layer of a file: its folder below `src`, or its own name (`store.rs`).
fn layer_of(path: &str) -> &str {
    path.split('/').next().map_or(path, |first| first.trim_end_matches(".rs"))
}

/// The module of a file, with slashes: `policy/decide`, and `policy` for `policy/mod.rs`.
fn module_of(path: &str) -> &str {
    let module = path.trim_end_matches(".rs");
    module.strip_suffix("/mod").unwrap_or(module)
}

/// The first names of all paths that begin at `root::` (`crate`, or the package's name), with
/// where they stand. Groups are opened: `crate::{base::text, store}` names two.
fn first_names(code: &str, root: &str) -> Vec<(usize, String)> {
    let mut names = Vec::new();
    for start in occurrences(code, root) {
        let after = start + root.len();
        if let Some(rest) = code[after..].trim_start().strip_prefix("::") {
            let at = code.len() - rest.len();
            names.extend(heads(rest).into_iter().map(|name| (at, name)));
        }
    }
    names
}

/// The first name of a path, or those of a group of paths.
fn heads(path: &str) -> Vec<String> {
    let path = path.trim_start();
    let Some(_) = path.strip_prefix('{') else {
        let name: String = path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        return if name.is_empty() { Vec::new() } else { vec![name] };
    };
    let group = &path[1..braces(path) - 1];
    let (mut depth, mut start, mut members) = (0, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                members.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    members.push(&group[start..]);
    members.into_iter().flat_map(heads).collect()
}

/// As [`first_names`], for paths that climb to the root by `super::super::`.
fn climbed_names(code: &str, path: &str) -> Vec<(usize, String)> {
    let climb = vec!["super"; module_of(path).split('/').count()].join("::");
    first_names(code, &climb)
}

fn check_arrows(source: &Source, code: &str, faults: &mut Vec<String>) {
    let layer = layer_of(&source.path);
    if matches!(source.path.as_str(), "lib.rs" | "main.rs") {
        return; // the two that name every layer
    }
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
        faults.push(format!("src/{}: `{layer}` is no layer; add it to LAYERS", source.path));
        return;
    };
    let mut names = first_names(code, "crate");
    names.extend(first_names(code, "domesday"));
    names.extend(climbed_names(code, &source.path));
    for (at, name) in names {
        let is_layer = LAYERS.iter().any(|(layer, _)| *layer == name);
        if is_layer && name != layer && !allowed.contains(&name.as_str()) {
            let line = line_of(code, at);
            faults.push(format!("src/{}:{line}: `{layer}` must not import `{name}`", source.path));
        }
    }
}

fn check_owners(source: &Source, code: &str, faults: &mut Vec<String>) {
    for (name, owners, reason) in OWNED {
        let owned = owners.iter().any(|owner| {
            source.path == *owner || owner.ends_with('/') && source.path.starts_with(owner)
        });
        for at in occurrences(code, name).filter(|_| !owned) {
            // A field or method of that name is not the library.
            let word = name.trim_end_matches("::");
            let used = code[at + word.len()..].trim_start().starts_with("::");
            let imported = code[..at].lines().last().is_some_and(|l| l.trim() == "use");
            if used || imported || name.contains("::") || *name == "OsRng" {
                let line = line_of(code, at);
                faults.push(format!("src/{}:{line}: `{name}`: {reason}", source.path));
            }
        }
    }
    if PURE_LAYERS.contains(&layer_of(&source.path)) {
        for name in IMPURE {
            for at in occurrences(code, name) {
                let (path, line) = (&source.path, line_of(code, at));
                let layer = layer_of(path);
                faults.push(format!("src/{path}:{line}: `{layer}` is pure, but names `{name}`"));
            }
        }
    }
}

fn check_style(source: &Source, code: &str, faults: &mut Vec<String>) {
    let lines = source.text.lines().count();
    if lines > MOST_LINES {
        let path = &source.path;
        faults.push(format!("src/{path}: {lines} lines, {MOST_LINES} are allowed; divide it"));
    }
    if !source.text.starts_with("//! ") {
        faults.push(format!("src/{}:1: begins with no `//!` header that explains it", source.path));
    }
    for stopping in STOPPING {
        for at in occurrences(code, stopping) {
            let line = line_of(code, at);
            faults.push(format!("src/{}:{line}: `{stopping}` outside tests", source.path));
        }
    }
}

/// All faults of a set of sources, as `path:line: what`.
fn faults_in(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    let codes: Vec<(String, Vec<String>)> =
        sources.iter().map(|source| without_tests(&code_of(&source.text))).collect();
    let test_files: BTreeSet<String> = sources
        .iter()
        .zip(&codes)
        .flat_map(|(source, (_, modules))| {
            let folder = module_of(&source.path);
            modules.iter().map(move |module| format!("{folder}/{module}"))
        })
        .collect();
    for (source, (code, _)) in sources.iter().zip(&codes) {
        let module = module_of(&source.path);
        if test_files.iter().any(|test| module == test || module.starts_with(&format!("{test}/"))) {
            continue;
        }
        check_arrows(source, code, &mut faults);
        check_owners(source, code, &mut faults);
        check_style(source, code, &mut faults);
    }
    faults
}

/// Traces of the machine that a text was written on. In pieces, so that this file holds none.
fn traces_in(path: &str, text: &str) -> Vec<String> {
    let folders = [["/ro", "ot/"], ["/Us", "ers/"], ["/wo", "rk/main"], ["/wo", "rk/shared"]];
    let mut words: Vec<String> = folders.iter().map(|pieces| pieces.concat()).collect();
    words.extend([["index", "-url"], ["find", "-links"], ["replace", "-with"]].map(|p| p.concat()));
    let home = ["/ho", "me/"].concat();
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut found: Vec<&str> =
            words.iter().filter(|word| line.contains(*word)).map(String::as_str).collect();
        // `bucket/home/alice` is an object's key; a home folder begins the path.
        let begins = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '*');
        if line.match_indices(&home).any(|(at, _)| begins(at)) {
            found.push(&home);
        }
        for word in found {
            faults.push(format!("{path}:{}: `{word}` belongs to one machine", number + 1));
        }
    }
    faults
}

#[track_caller]
fn assert_none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{} faults:\n  {}\n", faults.len(), faults.join("\n  "));
}

// ---- The project ----

#[test]
fn sources_keep_the_layers_and_the_style() {
    let sources = read(&package().join("src"), &["rs"]);
    assert!(sources.len() > 10, "only {} files found below src", sources.len());
    assert_none(faults_in(&sources));
}

/// The twin is a second, independent evaluator: it is worth something only while it shares nothing
/// with the first but the forms of documents and requests.
#[test]
fn the_policy_twin_knows_only_policy_and_base() {
    let mut faults = Vec::new();
    for source in read(&package().join("tests"), &["rs"]) {
        if !source.path.starts_with("policy_twin") {
            continue;
        }
        for (at, name) in first_names(&code_of(&source.text), "domesday") {
            if name != "policy" && name != "base" {
                let line = line_of(&source.text, at);
                faults.push(format!("tests/{}:{line}: imports domesday::{name}", source.path));
            }
        }
    }
    assert_none(faults);
}

#[test]
fn no_file_carries_traces_of_a_machine() {
    let mut faults = Vec::new();
    let kinds = ["rs", "toml", "md", "sh", "py", "json", "jsonl", "txt", "lock", "yml", "yaml"];
    for folder in ["src", "tests", "tools", "fixtures", ".cargo", ".ci"] {
        for source in read(&package().join(folder), &kinds) {
            faults.extend(traces_in(&format!("{folder}/{}", source.path), &source.text));
        }
    }
    for file in ["Cargo.toml", "Cargo.lock", "README.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        if let Ok(text) = fs::read_to_string(package().join(file)) {
            faults.extend(traces_in(file, &text));
        }
    }
    assert_none(faults);
}

#[test]
fn every_dependency_comes_from_the_one_registry() {
    let lock = fs::read_to_string(package().join("Cargo.lock")).unwrap();
    let sources: BTreeSet<&str> =
        lock.lines().filter_map(|line| line.strip_prefix("source = ")).collect();
    let registry = "\"registry+https://github.com/rust-lang/crates.io-index\"";
    assert_eq!(sources, BTreeSet::from([registry]));
}

// ---- The rules themselves ----

/// The faults of one made-up file, without those about its missing header.
fn faults_of(path: &str, text: &str) -> Vec<String> {
    let text = format!("//! A header.\n{text}");
    faults_in(&[Source { path: path.to_string(), text }])
}

#[track_caller]
fn assert_fault(path: &str, text: &str, part: &str) {
    let faults = faults_of(path, text);
    assert!(faults.len() == 1 && faults[0].contains(part), "{text}: {faults:?}, not {part}");
}

#[test]
fn a_wrong_arrow_is_found_in_each_of_its_spellings() {
    let wrong = ":2: `ledger` must not import `identity`";
    assert_fault("ledger/tree.rs", "use crate::identity::Arn;", wrong);
    assert_fault("ledger/tree.rs", "use crate::{base::text, identity::{Arn, Id}};", wrong);
    assert_fault("ledger/tree.rs", "fn f(a: &crate::identity::Arn) {}", wrong);
    assert_fault("ledger/tree.rs", "use super::super::identity;", wrong);
    assert_fault("ledger/mod.rs", "use super::identity::Arn;", wrong);
    assert_fault("ledger.rs", "use super::identity::Arn;", wrong);
    assert_fault("api/query.rs", "use crate::cli::Options;", "`api` must not import `cli`");
    assert_fault("policy/glob.rs", "use crate::projection::View;", "`projection`");
    assert_fault("base/text.rs", "use crate::store::Store;", "`base` must not import `store`");
    assert_fault("extras/a.rs", "", "`extras` is no layer");
}

#[test]
fn a_right_arrow_passes() {
    let none: Vec<String> = Vec::new();
    assert_eq!(faults_of("ledger/tree.rs", "use crate::store::Store;\nuse super::frame;"), none);
    assert_eq!(faults_of("ledger/a/b.rs", "use super::super::identity;"), none);
    assert_eq!(faults_of("main.rs", "use domesday::{api, cli};"), none);
    assert_eq!(faults_of("base/a.rs", "// crate::store\nconst A: &str = \"crate::store\";"), none);
    assert_eq!(faults_of("base/a.rs", "const A: &str = r#\"\"crate::store\"#;"), none);
}

#[test]
fn a_library_outside_its_layer_is_found() {
    assert_fault("ledger/a.rs", "use rocksdb::DB;", "only store");
    assert_fault("service/a.rs", "let now = std::time::SystemTime::now();", "base::clock");
    assert_fault("service/a.rs", "getrandom::fill(&mut key)", "base::random");
    assert_fault("api/a.rs", "use sha2::Sha256;", "base::crypto");
    assert_fault("service/a.rs", "use crate::base::text;\nuse quick_xml::Writer;", "only api");
    assert_fault("policy/a.rs", "let a = std::fs::read(b);", "pure");
    assert_fault("policy/a.rs", "let a = std::net::TcpStream::connect(b);", "pure");
    let none: Vec<String> = Vec::new();
    assert_eq!(faults_of("store/rocks.rs", "use rocksdb::DB;"), none);
    assert_eq!(faults_of("service/a.rs", "let hmac = operand.rand;"), none);
}

#[test]
fn a_breach_of_style_is_found() {
    assert_fault("base/a.rs", "fn f() { g().unwrap() }", ":2: `.unwrap()`");
    assert_fault("base/a.rs", "fn f() {\n    g().expect(\"it is there\") }", ":3: `.expect(");
    assert_fault("base/a.rs", "fn f() { todo!() }", "`todo!`");
    assert_fault("base/a.rs", "macro_rules! m { () => { panic!(\"no\") } }", "`panic!`");
    assert_fault("base/a.rs", &"\n".repeat(MOST_LINES), "lines");
    let headless = Source { path: "base/a.rs".into(), text: "use std::fmt;\n".into() };
    assert!(faults_in(&[headless])[0].contains("header"));
}

#[test]
fn what_is_compiled_for_tests_only_is_left_out() {
    let none: Vec<String> = Vec::new();
    let test = "#[cfg(test)]\nmod tests {\n    fn f() { '{'; g(\"}\").unwrap() }\n}\n";
    assert_eq!(faults_of("base/a.rs", test), none);
    assert_fault("base/a.rs", &format!("{test}fn h() {{ g().unwrap() }}"), ":6: `.unwrap()`");
    let parent = Source { path: "base/a.rs".into(), text: "//! A.\n#[cfg(test)]\nmod b;\n".into() };
    let child = Source { path: "base/a/b.rs".into(), text: "fn f() { g().unwrap() }".into() };
    assert_eq!(faults_in(&[parent, child]), none);
}

#[test]
fn a_trace_of_a_machine_is_found() {
    let home = ["/ho", "me/"].concat();
    assert_eq!(traces_in("a", &format!("\npath = \"{home}me/x\"")).len(), 1);
    assert_eq!(traces_in("a", &["see /ro", "ot/x"].concat()).len(), 1);
    assert_eq!(traces_in("a", &format!("arn:aws:s3:::bucket{home}alice")).len(), 0);
}
