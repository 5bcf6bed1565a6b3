//! The program: the command line, and the wire that it serves.

use std::process::ExitCode;

use domesday::api::front::Front;
use tikv_jemallocator::Jemalloc;

/// RocksDB's too, by the same names: the blocks that it reads live long among short-lived records, which the
/// system's allocator answers with holes. How it is set stands in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    ExitCode::from(domesday::cli::run(|service, doors, stop| {
        let pages = domesday::console::pages(service.clone());
        let front = Front { tls: doors.tls, public_url: doors.public_url, pages };
        Box::pin(domesday::api::serve(service, doors.listener, doors.admin_socket, front, stop))
    }))
}
