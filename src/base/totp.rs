//! One-time codes that follow from the time: what an authenticator shows, and what it must have been set up with.
//!
//! Source: RFC 6238 (TOTP) and RFC 4226 (HOTP), with what authenticators take without being told: HMAC-SHA-1,
//! six digits, steps of thirty seconds.

use super::crypto::{equal, hmac_sha1};
use super::secret::Secret;
use super::time::Timestamp;

/// Seconds that a code is shown for.
pub const STEP: u64 = 30;
/// Digits of a code.
const DIGITS: usize = 6;

/// The step that an instant is in.
pub fn step_at(at: Timestamp) -> u64 {
    at.seconds() / STEP
}

/// The code of a step.
pub fn code(seed: &Secret<Vec<u8>>, step: u64) -> String {
    let mac = hmac_sha1(seed.expose(), &step.to_be_bytes());
    // RFC 4226, section 5.3: the last four bits say where the 31 bits are taken from.
    let offset = usize::from(mac.last().copied().unwrap_or(0) & 0xf);
    let bytes = mac.iter().skip(offset).take(4);
    let number = bytes.fold(0u32, |number, byte| (number << 8) | u32::from(*byte)) & 0x7fff_ffff;
    format!("{:0DIGITS$}", number % 1_000_000)
}

/// The step among some whose code was given, the last one if there are several. Takes as long whichever it is.
pub fn find(seed: &Secret<Vec<u8>>, given: &str, steps: impl Iterator<Item = u64>) -> Option<u64> {
    let mut found = None;
    for step in steps {
        if equal(code(seed, step).as_bytes(), given.as_bytes()) {
            found = Some(step);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_agree_with_rfc_6238() {
        // Appendix B has eight digits; ours are the last six of them.
        let seed = Secret::new(b"12345678901234567890".to_vec());
        for (seconds, expected) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let step = step_at(Timestamp::from_seconds(seconds));
            assert_eq!(code(&seed, step), expected[2..], "{seconds}");
        }
    }

    #[test]
    fn codes_agree_with_rfc_4226() {
        let seed = Secret::new(b"12345678901234567890".to_vec());
        let expected = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583",
            "399871", "520489",
        ];
        for (step, expected) in (0..).zip(expected) {
            assert_eq!(code(&seed, step), expected, "{step}");
        }
    }

    #[test]
    fn a_code_is_found_in_its_window_alone() {
        let seed = Secret::new(b"12345678901234567890".to_vec());
        let given = code(&seed, 5);
        assert_eq!(find(&seed, &given, 4..=6), Some(5));
        assert_eq!(find(&seed, &given, 6..=8), None);
        assert_eq!(find(&seed, "", 4..=6), None);
    }
}
