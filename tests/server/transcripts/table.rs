//! The text form of a transcript: lines that stand as they are, `let`s, and rows of four columns.
//!
//! A line that begins with white space continues the one before, as if a single space stood between.

/// Columns that a line takes before it is continued on the next.
const WIDTH: usize = 110;

/// One entry of a transcript.
pub enum Entry {
    /// A comment or an empty line.
    Remark(String),
    /// `let NAME = TEXT`
    Let { name: String, text: String },
    /// A call and its answer.
    Row(Row),
}

/// `caller [xTIMES | eventually] | command | status | fields`
#[derive(Clone)]
pub struct Row {
    /// The line that it begins at.
    pub line: usize,
    pub caller: String,
    pub times: Times,
    pub command: String,
    /// Status and fields, or code and sentence of an error; `None` before the first update.
    pub answer: Option<(u16, String)>,
}

/// How often a call is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// So often, and the last answer is shown.
    Exactly(usize),
    /// Until the answer is the one that is written: for what becomes known a little later.
    Eventually,
}

impl Row {
    /// The operation that is called.
    pub fn action(&self) -> &str {
        self.command.split(' ').next().unwrap_or_default()
    }

    /// The columns about the call and, from the bar on, those about the answer.
    fn halves(&self) -> (String, String) {
        let times = match self.times {
            Times::Exactly(1) => String::new(),
            Times::Exactly(times) => format!(" x{times}"),
            Times::Eventually => " eventually".to_owned(),
        };
        let call = format!("{}{times} | {}", self.caller, self.command);
        let answer = match &self.answer {
            None => String::new(),
            Some((status, fields)) if fields.is_empty() => format!("| {status}"),
            Some((status, fields)) => format!("| {status} | {fields}"),
        };
        (call, answer)
    }

    pub fn to_text(&self) -> String {
        let (call, answer) = self.halves();
        format!("{call} {answer}").trim_end().to_owned()
    }
}

/// Reads a transcript.
pub fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let mut joined: Vec<(usize, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let continued = line.starts_with(' ') && !line.trim().is_empty();
        match joined.last_mut() {
            Some((_, before)) if continued => {
                before.push(' ');
                before.push_str(line.trim_start());
            }
            _ => joined.push((number + 1, line.to_owned())),
        }
    }
    joined.into_iter().map(|(line, text)| entry(line, text)).collect()
}

fn entry(line: usize, text: String) -> Result<Entry, String> {
    let wrong = |what: &str| format!("line {line}: {what}: {text}");
    if text.is_empty() || text.starts_with('#') {
        return Ok(Entry::Remark(text));
    }
    if let Some(rest) = text.strip_prefix("let ") {
        let (name, value) = rest.split_once(" = ").ok_or_else(|| wrong("a let without ` = `"))?;
        return Ok(Entry::Let { name: name.to_owned(), text: value.to_owned() });
    }
    let mut columns = text.splitn(4, " | ");
    let caller = columns.next().unwrap_or_default();
    let (caller, times) = match caller.split_once(' ') {
        None => (caller, Times::Exactly(1)),
        Some((caller, "eventually")) => (caller, Times::Eventually),
        Some((caller, times)) => {
            let times = times.strip_prefix('x').and_then(|times| times.parse().ok());
            (caller, Times::Exactly(times.ok_or_else(|| wrong("how many times?"))?))
        }
    };
    let command = columns.next().ok_or_else(|| wrong("a row without command"))?;
    let answer = match columns.next() {
        None => None,
        Some(status) => {
            let status = status.parse().map_err(|_| wrong("the third column is no status"))?;
            Some((status, columns.next().unwrap_or_default().to_owned()))
        }
    };
    let (caller, command) = (caller.to_owned(), command.to_owned());
    Ok(Entry::Row(Row { line, caller, times, command, answer }))
}

/// Writes a transcript: `parse` undoes it.
pub fn write(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        match entry {
            Entry::Remark(line) => text += line,
            Entry::Let { name, text: value } => {
                text += &wrapped(&format!("let {name} = {value}"), 0);
            }
            Entry::Row(row) => {
                let whole = row.to_text();
                if whole.chars().count() <= WIDTH {
                    text += &whole;
                } else {
                    let (call, answer) = row.halves();
                    text += &wrapped(&call, 0);
                    text += "\n    ";
                    text += &wrapped(&answer, 4);
                }
            }
        }
        text.push('\n');
    }
    text
}

/// Broken at single spaces only, so that joining with one space restores the text.
fn wrapped(text: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut column = indent;
    let mut after_word = false;
    for word in text.split(' ') {
        let length = word.chars().count();
        if after_word && !word.is_empty() && column + 1 + length > WIDTH {
            out.push_str("\n    ");
            column = 4;
        } else if !out.is_empty() {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
        after_word = !word.is_empty();
    }
    out
}

/// The `NAME=VALUE` pairs of a command or of the fields of an answer. A value with spaces stands in
/// quotation marks, with `\"`, `\\` and `\n` inside.
pub fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, value) = rest.split_once('=').ok_or_else(|| format!("no `=` in {rest}"))?;
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let (value, after) = value.split_once(' ').unwrap_or((value, ""));
                (value.to_owned(), after)
            }
        };
        pairs.push((name.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

fn unquote(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped)) => value.push(escaped),
                None => break,
            },
            other => value.push(other),
        }
    }
    Err(format!("an open quotation mark: {text}"))
}

/// The value as [`pairs`] reads it.
pub fn quoted(value: &str) -> String {
    let plain = !value.is_empty() && !value.contains([' ', '"', '\n']);
    if plain {
        return value.to_owned();
    }
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

#[test]
fn what_is_written_is_read_back() {
    let long = "word ".repeat(60) + "  two spaces " + &"x".repeat(200);
    let row = |caller: &str, times, command: String, answer| {
        Entry::Row(Row { line: 0, caller: caller.into(), times, command, answer })
    };
    let entries = [
        Entry::Remark("# a comment".into()),
        Entry::Remark(String::new()),
        Entry::Let { name: "Doc".into(), text: format!("{{\"a\": \"{long}\"}}") },
        row(
            "admin",
            Times::Exactly(1),
            format!("Do A={}", quoted("a \"b\" \\ \n c")),
            Some((404, long.clone())),
        ),
        row("alice.key", Times::Exactly(12), "Do".into(), Some((200, String::new()))),
        row("admin", Times::Eventually, "Do".into(), Some((200, "A=1".into()))),
    ];
    let written = write(&entries);
    assert!(written.lines().all(|line| line.len() <= 220));
    assert_eq!(write(&parse(&written).unwrap()), written);
    let Entry::Row(row) = &parse(&written).unwrap()[3] else { panic!("no row") };
    assert_eq!(row.answer, Some((404, long)));
    let read = pairs(row.command.split_once(' ').unwrap().1).unwrap();
    assert_eq!(read, [("A".to_owned(), "a \"b\" \\ \n c".to_owned())]);
    assert!(parse("admin").is_err() && parse("admin | Do | ok").is_err());
}
