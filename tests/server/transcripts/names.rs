//! Names for what differs on every run: `$alice.UserId`, `$account`, `$now+3600`.
//!
//! A value gets its name when it is first seen, by what it belongs to, and is shown by that name
//! from then on. So one id seen twice under one name *is* one id, and another id shows another name.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use domesday::base::secret::Secret;
use domesday::base::text::from_base32;
use domesday::base::time::Timestamp;
use domesday::base::totp;
use regex::{Captures, Regex};

/// Seconds that an instant may lie away from what it is shown as: the clocks of a distant endpoint, a busy
/// machine.
const NEAR: i64 = 150;
/// What is seen of a denial in the answer to it.
const ENCODED: &str = "Encoded authorization failure message: ";

static VARIABLE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\$(\$|[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*)").unwrap());
static ID: LazyLock<Regex> = LazyLock::new(|| {
    // Access keys have a tail of 16, entities one of 17.
    Regex::new(r"\A(?:A(?:IDA|ROA|GPA|NPA|IPA|CCA)[A-Z0-9]{17}|A(?:KIA|SIA)[A-Z0-9]{16})\z")
        .unwrap()
});
static RUNNING: LazyLock<Regex> = LazyLock::new(|| {
    let kinds = [
        r"(?<id>\bA(?:IDA|ROA|GPA|NPA|IPA|CCA|KIA|SIA)[A-Z0-9]{16,17}\b)",
        r"(?<date>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?<zone>Z|\+00:00)",
        r"(?<digits>\b\d{10,12}\b)",
        r"(?<long>x{30,})",
        // A pause that is running out: shown as the half minute that it began with.
        r"\bin (?<pause>\d{1,4}) seconds",
        r"(?<dollar>\$[$A-Za-z])",
        &format!("(?<encoded>{ENCODED}[A-Za-z0-9_-]+)"),
    ];
    Regex::new(&kinds.join("|")).unwrap()
});

/// Whether a text is a unique id or access key id of AWS's shape.
pub fn is_id(text: &str) -> bool {
    ID.is_match(text)
}

/// All names of one transcript.
pub struct Names {
    values: BTreeMap<String, String>,
    /// Ids alone: by them, text is searched for what has a name.
    ids: HashMap<String, String>,
    /// What the parts of an entity are named after, by its id.
    labels: HashMap<String, String>,
    lets: Vec<String>,
    /// When the present row was sent.
    pub now: Timestamp,
}

impl Names {
    pub fn new(now: Timestamp) -> Self {
        let empty = BTreeMap::new();
        Names { values: empty, ids: HashMap::new(), labels: HashMap::new(), lets: Vec::new(), now }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.values.insert(name.to_owned(), value.to_owned());
    }

    /// A text of the transcript itself.
    pub fn define(&mut self, name: &str, text: &str) {
        self.set(name, text);
        self.lets.push(name.to_owned());
    }

    /// Puts values in the place of names. `$$` is a dollar sign, `$x300` is the letter 300 times.
    pub fn expand(&self, text: &str) -> Result<String, String> {
        let mut unknown = None;
        let expanded = VARIABLE.replace_all(text, |found: &Captures<'_>| {
            let name = &found[1];
            if name == "$" {
                return "$".to_owned();
            }
            if let Some(times) = name.strip_prefix('x').and_then(|times| times.parse().ok()) {
                return "x".repeat(times);
            }
            if let Some(code) = self.code(name) {
                return code;
            }
            match self.get(name) {
                Some(value) if self.lets.iter().any(|one| one == name) => {
                    self.expand(value).unwrap_or_else(|error| {
                        unknown = Some(error);
                        String::new()
                    })
                }
                Some(value) => value.to_owned(),
                None => {
                    unknown = Some(format!("nothing is called ${name}"));
                    String::new()
                }
            }
        });
        let expanded = expanded.into_owned();
        unknown.map_or(Ok(expanded), Err)
    }

    /// The code that a device shows when the present row is sent: `$phone.Code`; the one before it and the one
    /// after, `$phone.Code.before` and `$phone.Code.next`, and others farther off; and one that is wrong,
    /// `$phone.Code.wrong`.
    fn code(&self, name: &str) -> Option<String> {
        let (label, which) = name.split_once(".Code")?;
        let later = match which {
            "" => 0,
            ".before" => -1,
            ".next" => 1,
            ".wrong" => 100_000,
            ".long-ago" => -2,
            ".far" => 20,
            ".farther" => 21,
            _ => return None,
        };
        let seed = from_base32(self.get(&format!("{label}.Base32StringSeed"))?)?;
        let step = totp::step_at(self.now).checked_add_signed(later)?;
        Some(totp::code(&Secret::new(seed), step))
    }

    /// What the parts of an entity are named after: `base`, or `base.2` for the next that is so called.
    pub fn label(&mut self, id: &str, base: &str) -> String {
        if let Some(label) = self.labels.get(id) {
            return label.clone();
        }
        let fit = |c: char| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '_' };
        let base: String = base.chars().map(fit).collect();
        let taken = |label: &String| self.labels.values().any(|other| other == label);
        let numbered = (2..).map(|number| format!("{base}.{number}"));
        let label = std::iter::once(base.clone()).chain(numbered).find(|label| !taken(label));
        let label = label.unwrap();
        self.labels.insert(id.to_owned(), label.clone());
        label
    }

    /// The name of a value that belongs to something; the value itself if that name has another.
    pub fn bind(&mut self, label: &str, part: &str, value: &str) -> String {
        let name = format!("{label}.{part}");
        match self.get(&name) {
            Some(known) if known == value => format!("${name}"),
            Some(_) => format!("{value}(not-${name})"),
            None => {
                self.set(&name, value);
                if is_id(value) {
                    self.ids.insert(value.to_owned(), name.clone());
                }
                format!("${name}")
            }
        }
    }

    /// `$now`, `$now+3600`, or the instant itself if it lies in the past.
    pub fn instant(&self, value: Timestamp) -> String {
        let seconds = |time: Timestamp| i64::try_from(time.seconds()).unwrap();
        let ahead = seconds(value) - seconds(self.now);
        let rounded = (ahead + NEAR).div_euclid(2 * NEAR) * 2 * NEAR;
        if ahead.abs() <= NEAR {
            "$now".to_owned()
        } else if ahead > 0 {
            format!("$now+{rounded}")
        } else {
            value.to_string()
        }
    }

    /// A text with names in the place of values; one that equals a `let` is shown by its name.
    pub fn reveal(&mut self, text: &str) -> String {
        if text.len() > 20 {
            let same = |name: &&String| {
                self.expand(&format!("${name}")).is_ok_and(|expanded| expanded == text)
            };
            if let Some(name) = self.lets.iter().find(same) {
                return format!("${name}");
            }
        }
        let mut denied = None;
        let revealed = RUNNING.replace_all(text, |found: &Captures<'_>| {
            let part = |name| found.name(name).map(|part| part.as_str());
            let shown = None
                .or_else(|| part("id").and_then(|id| Some(format!("${}", self.ids.get(id)?))))
                .or_else(|| {
                    let zone = part("zone")?;
                    let at = self.instant(Timestamp::parse(&format!("{}{zone}", part("date")?))?);
                    Some(if zone == "Z" { at } else { at + zone })
                })
                .or_else(|| part("digits").and_then(|digits| self.digits(digits)))
                .or_else(|| {
                    let pause: u64 = part("pause")?.parse().ok()?;
                    Some(format!("in {} seconds", pause.div_ceil(30) * 30))
                })
                .or_else(|| part("long").map(|run| format!("$x{}", run.len())))
                .or_else(|| part("dollar").map(|dollar| format!("${dollar}")))
                .or_else(|| {
                    denied = part("encoded")?.strip_prefix(ENCODED).map(str::to_owned);
                    Some(format!("{ENCODED}$encoded"))
                });
            shown.unwrap_or_else(|| found[0].to_owned())
        });
        let revealed = revealed.into_owned();
        if let Some(encoded) = denied {
            self.set("encoded", &encoded);
        }
        revealed
    }

    fn digits(&self, digits: &str) -> Option<String> {
        if self.get("account") == Some(digits) {
            return Some("$account".to_owned());
        }
        let epoch: u64 = digits.parse().ok()?;
        let near = epoch.abs_diff(self.now.seconds()) <= NEAR.unsigned_abs();
        (near && digits.len() == 10).then(|| "$epoch".to_owned())
    }
}

#[test]
fn a_value_keeps_its_name_and_another_does_not_get_it() {
    let now = Timestamp::parse("2026-03-01T12:00:00Z").unwrap();
    let mut names = Names::new(now);
    names.set("account", "123456789012");
    names.define("Doc", "{\"a\": \"${aws:username} $account $x3 and more than twenty\"}");
    let (one, other) = ("AIDAAAAAAAAAAAAAAAAAA", "AIDABBBBBBBBBBBBBBBBB");
    let label = names.label(one, "alice");
    assert_eq!(names.bind(&label, "UserId", one), "$alice.UserId");
    assert_eq!(names.label(one, "renamed"), "alice");
    assert_eq!(names.label(other, "alice"), "alice.2");
    assert!(names.bind("alice", "UserId", other).starts_with(other));
    let text = format!("{one}:s {other} 123456789012 2026-03-01T12:00:30Z 2026-02-01T00:00:00Z");
    let shown = names.reveal(&text);
    assert_eq!(shown, format!("$alice.UserId:s {other} $account $now 2026-02-01T00:00:00Z"));
    assert_eq!(names.expand("$$a $alice.UserId.").unwrap(), format!("$a {one}."));
    let document = names.expand("$Doc").unwrap();
    assert!(document.contains("${aws:username} 123456789012 xxx"), "{document}");
    assert_eq!(names.reveal(&document), "$Doc");
    assert!(names.expand("$bob.UserId").is_err());
    assert_eq!(names.reveal("$a costs $1"), "$$a costs $1");
    let denied = names.reveal("no. Encoded authorization failure message: Ab_-9");
    assert_eq!(denied, "no. Encoded authorization failure message: $encoded");
    assert_eq!(names.get("encoded"), Some("Ab_-9"));
    assert_eq!(names.instant(now.plus_seconds(3_595)), "$now+3600");
    assert!(!is_id("AIDASHORT") && is_id(one) && is_id("AKIAAAAAAAAAAAAAAAAA"));
}
