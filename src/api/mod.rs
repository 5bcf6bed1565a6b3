//! The wire: AWS's Query protocol, the JSON questions, health and metrics, all over HTTP/1.1.
//!
//! | module | what |
//! |---|---|
//! | [`front`] | TLS before HTTP, and the address under which we are known |
//! | [`server`] | listeners, connections and their limits, the orderly stop |
//! | [`routes`] | which path means what, and at which moment |
//! | [`query`] | IAM and STS: a form in, XML out |
//! | [`audit`] | `/audit/v1/...`: parameters in, JSON out; signed like all of AWS |
//! | [`authzen`] | `/access/v1/...`: decisions for gateways, by OpenID AuthZEN |
//! | [`exports`] | `/audit/v1/exports`: files as a stream |
//! | [`admin`] | the same for whoever has the machine, through `admin.sock`, and the operator's acts |
//! | [`tiles`] | `/checkpoint`, `/tile/...`: the ledger as a public log of hashes |
//! | [`pages`] | `/console/...`: handed to another layer |
//! | [`signed`] | from a request's signature to the caller |
//! | [`metrics`] | what was counted |
//! | [`form`], [`xml`], [`sigv4`] | the protocols' own forms, without I/O |
//!
//! Nothing here decides what anybody may do: every path ends in a call of the service with a caller.

pub mod admin;
pub mod audit;
pub mod authzen;
pub mod exports;
pub mod form;
pub mod front;
pub mod metrics;
pub mod pages;
pub mod query;
pub mod routes;
pub mod server;
pub mod signed;
pub mod sigv4;
pub mod tiles;
pub mod xml;

pub use server::serve;

#[cfg(test)]
mod tests;
