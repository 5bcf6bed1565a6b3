//! The limit of open files: each connection takes one, and so do the tables and logs of the stores.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::base::notice::notice;

/// What the most connections that are served (4,096) need, with the stores' files and some to spare.
const NEEDED: u64 = 4_096 + 2 * 512 + 256;

/// Raises our limit as far as we may, and tells if that is too low.
pub fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // Without it the old limit stands, and is judged below.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
    if let Some(warning) = warning(getrlimit(Resource::Nofile).current) {
        notice(format_args!("{warning}"));
    }
}

/// What to tell about a limit; `None` is without limit.
fn warning(limit: Option<u64>) -> Option<String> {
    limit.filter(|limit| *limit < NEEDED).map(|limit| {
        format!(
            "at most {limit} files may be open, and 4,096 connections need {NEEDED}: raise the hard limit \
             (ulimit -Hn, LimitNOFILE=)"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_too_low_is_told() {
        assert!(warning(Some(1_024)).unwrap().contains("1024 files"));
        assert_eq!(warning(Some(NEEDED)), None);
        assert_eq!(warning(None), None);
    }
}
