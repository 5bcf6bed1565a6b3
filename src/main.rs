//! The program: the command line, and the wire that it serves.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(domesday::cli::run(|service, listener, socket, stop| {
        Box::pin(domesday::api::serve(service, listener, socket, stop))
    }))
}
