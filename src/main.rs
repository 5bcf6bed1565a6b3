//! The program: the command line, and the wire that it serves.

use std::process::ExitCode;

use domesday::api::front::Front;

fn main() -> ExitCode {
    ExitCode::from(domesday::cli::run(|service, doors, stop| {
        let pages = domesday::console::pages(service.clone());
        let front = Front { tls: doors.tls, public_url: doors.public_url, pages };
        Box::pin(domesday::api::serve(service, doors.listener, doors.admin_socket, front, stop))
    }))
}
