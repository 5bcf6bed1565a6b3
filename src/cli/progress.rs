//! Long work on a terminal: one line on stderr that says how far it is, and goes when it is done. stdout
//! stays the answer's.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often the line is written anew.
const EVERY: Duration = Duration::from_millis(200);
/// Work shorter than this is not worth a line.
const SHORT: Duration = Duration::from_millis(300);

/// Does the work, and meanwhile says how far it is, if stderr is a terminal. `far` is a part of a thousand,
/// where that is known.
pub fn watch<T>(what: &str, far: impl Fn() -> Option<u64> + Sync, work: impl FnOnce() -> T) -> T {
    if !std::io::stderr().is_terminal() {
        return work();
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let line = scope.spawn(|| write_lines(what, &far, &over));
        let outcome = work();
        over.store(true, Ordering::Relaxed);
        line.thread().unpark();
        outcome
    })
}

fn write_lines(what: &str, far: &dyn Fn() -> Option<u64>, over: &AtomicBool) {
    let began = Instant::now();
    let mut width = 0;
    while !over.load(Ordering::Relaxed) {
        if began.elapsed() >= SHORT {
            let line = line(what, far(), began.elapsed().as_secs());
            width = width.max(line.len());
            tell(&format!("\r{line:width$}"));
        }
        std::thread::park_timeout(EVERY);
    }
    if width > 0 {
        tell(&format!("\r{:width$}\r", ""));
    }
}

/// Whoever closed stderr does not want to know.
fn tell(text: &str) {
    let mut stderr = std::io::stderr();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

fn line(what: &str, far: Option<u64>, seconds: u64) -> String {
    match far {
        Some(part) => format!("domesday: {what}: {}.{} %, {seconds} s", part / 10, part % 10),
        None => format!("domesday: {what}: {seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_it_is_and_the_work_is_done_once() {
        assert_eq!(line("verifying", Some(5), 7), "domesday: verifying: 0.5 %, 7 s");
        assert_eq!(line("verifying", Some(1000), 7), "domesday: verifying: 100.0 %, 7 s");
        assert_eq!(line("verifying", None, 7), "domesday: verifying: 7 s");
        assert_eq!(watch("counting", || None, || 3), 3);
    }
}
