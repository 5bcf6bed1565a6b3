//! The real program: started, asked over HTTP, killed, and started again.

mod kill;
mod program;
