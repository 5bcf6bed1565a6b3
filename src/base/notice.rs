//! What the program tells whoever runs it, on stderr.

use std::fmt::Arguments;
use std::io::Write;

/// Tells it, on a line of its own. If nobody takes it - the disk behind stderr is full, whoever read the pipe has gone -
/// it is lost: that must not end the thread that had something to say, as `eprintln!` would.
pub fn notice(text: Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "domesday: {text}");
}
