//! What the server counts, as Prometheus reads it.

use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::service::root::RootCounts;

/// The counters of one server.
#[derive(Debug, Default)]
pub struct Metrics {
    answers: [AtomicU64; CLASSES.len()],
    failed_authentications: AtomicU64,
    connections: AtomicI64,
}

/// The classes of HTTP statuses that are answered.
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

impl Metrics {
    /// Counts an answer by its status.
    pub fn answered(&self, status: u16) {
        let class = usize::from(status / 100).checked_sub(2);
        if let Some(counter) = class.and_then(|class| self.answers.get(class)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a request whose signature proved nothing. It is not stored anywhere else: a stranger must
    /// not be able to fill the disk.
    pub fn authentication_failed(&self) {
        self.failed_authentications.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection for as long as the value returned lives.
    pub fn connected(&self) -> Connected<'_> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Connected(self)
    }

    /// The counters, the position of the ledger's head, and how root users were used, in Prometheus's text
    /// format.
    pub fn text(&self, head: u64, root: &RootCounts) -> String {
        let mut out = String::with_capacity(1024);
        let mut describe = |name: &str, kind: &str, help: &str, rows: &[(String, String)]| {
            // Writing into a String does not fail.
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in rows {
                let _ = writeln!(out, "{name}{labels} {value}");
            }
        };
        let one = |value: String| [(String::new(), value)];
        describe(
            "domesday_head_position",
            "gauge",
            "Events in the ledger that were acknowledged.",
            &one(head.to_string()),
        );
        let answers: Vec<(String, String)> = CLASSES
            .iter()
            .zip(&self.answers)
            .map(|(class, count)| {
                (format!("{{status=\"{class}\"}}"), count.load(Ordering::Relaxed).to_string())
            })
            .collect();
        describe("domesday_requests_total", "counter", "Requests answered.", &answers);
        describe(
            "domesday_failed_authentications_total",
            "counter",
            "Requests whose signature or credential was refused.",
            &one(self.failed_authentications.load(Ordering::Relaxed).to_string()),
        );
        describe(
            "domesday_connections",
            "gauge",
            "Connections open now.",
            &one(self.connections.load(Ordering::Relaxed).to_string()),
        );
        let labelled = |label: &str, [fine, bad]: [(&str, u64); 2]| {
            [fine, bad]
                .map(|(value, count)| (format!("{{{label}=\"{value}\"}}"), count.to_string()))
        };
        let [allowed, denied, signed_in, refused] = root.read();
        describe(
            "domesday_root_requests_total",
            "counter",
            "Requests of root users.",
            &labelled("outcome", [("allowed", allowed), ("denied", denied)]),
        );
        describe(
            "domesday_root_sign_ins_total",
            "counter",
            "Sign-ins of root users, by password or recovery code.",
            &labelled("outcome", [("success", signed_in), ("failure", refused)]),
        );
        out
    }
}

/// A connection that is counted.
#[derive(Debug)]
pub struct Connected<'a>(&'a Metrics);

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_counted() {
        let metrics = Metrics::default();
        for status in [200, 204, 403, 503, 42] {
            metrics.answered(status);
        }
        metrics.authentication_failed();
        drop(metrics.connected());
        let _open = metrics.connected();
        let root = RootCounts::default();
        for denied in [false, true, false] {
            root.request(denied);
        }
        root.sign_in(true);
        let text = metrics.text(7, &root);
        for line in [
            "domesday_head_position 7",
            "domesday_requests_total{status=\"2xx\"} 2",
            "domesday_requests_total{status=\"3xx\"} 0",
            "domesday_requests_total{status=\"4xx\"} 1",
            "domesday_requests_total{status=\"5xx\"} 1",
            "domesday_failed_authentications_total 1",
            "domesday_connections 1",
            "domesday_root_requests_total{outcome=\"allowed\"} 2",
            "domesday_root_requests_total{outcome=\"denied\"} 1",
            "domesday_root_sign_ins_total{outcome=\"success\"} 0",
            "domesday_root_sign_ins_total{outcome=\"failure\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }
}
