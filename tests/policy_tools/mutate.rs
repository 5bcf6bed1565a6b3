//! Documents as nobody should write them: valid ones, changed a little or a lot.
//!
//! Everything follows from a seed, by a generator of its own, so that a case that fails can be made again.

/// A small generator of random numbers (SplitMix64, <https://prng.di.unimi.it/splitmix64.c>).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64, round: u64) -> Self {
        let mut dice = Dice(seed ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub fn one_of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

/// Whole documents to begin with, one of each kind and with each element.
const SOUND: &[&str] = &[
    r#"{"Version":"2012-10-17","Id":"x","Statement":[{"Sid":"A","Effect":"Allow","Action":["s3:Get*","iam:PassRole"],"Resource":["arn:aws:s3:::b/${aws:username}/*","*"],"Condition":{"StringLike":{"s3:prefix":["a*","${aws:PrincipalTag/team, 'x'}"]},"Bool":{"aws:SecureTransport":true},"NumericLessThan":{"aws:MultiFactorAuthAge":3600}}},{"Effect":"Deny","NotAction":"s3:*","NotResource":"arn:aws:iam::*:role/*"}]}"#,
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":["111122223333","arn:aws:iam::111122223333:role/r"],"Federated":"accounts.google.com"},"Action":"sts:AssumeRole","Condition":{"ForAllValues:StringEquals":{"aws:TagKeys":["a"]},"Null":{"aws:TagKeys":"false"}}}}"#,
    r#"{"Version":"2008-10-17","Statement":[{"Effect":"Deny","NotPrincipal":{"AWS":"*"},"Action":"*","Resource":"arn:aws:s3:::b","Condition":{"DateLessThan":{"aws:CurrentTime":"2026-03-01T12:00:00Z"},"NotIpAddress":{"aws:SourceIp":["10.0.0.0/8","2001:db8::/32"]},"ArnNotLike":{"aws:SourceArn":"arn:aws:sns:*:1?:t"},"BinaryEquals":{"k:b":"AQI="}}}]}"#,
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*","Condition":{"StringNotEqualsIfExists":{"aws:PrincipalOrgID":"o-1"}}}]}"#,
];

/// Pieces of documents, right and wrong, to put where they do not belong.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "null",
    "true",
    "-",
    "\\",
    "\\u0000",
    "\\ud800",
    "\\udc00\\ud800",
    "\u{0}",
    "\u{7f}",
    "\u{ffff}",
    "\u{1f600}",
    "e\u{301}",
    "\u{202e}",
    "\u{feff}",
    "${",
    "${}",
    "${*}",
    "${aws:",
    "}",
    "*",
    "?",
    "**",
    "*?*",
    "::::::",
    "arn:",
    "arn:aws:::::",
    "\"Statement\":",
    "\"Condition\":{}",
    "\"Effect\":\"Allow\"",
    "NotAction",
    "ForAnyValue:",
    "IfExists",
    "1e999",
    "-0",
    "1e-400",
    "99999999999999999999999999",
    "0x1",
    "10.0.0.0/33",
    "::ffff:1.2.3.4/129",
    "9999-99-99T99:99:99Z",
    "-292275054",
    "NaN",
    "AQI",
    "\r\n",
    "\t",
    " ",
    "s3:GetObject",
    "${aws:username, 'x'}",
    "${a,b,c}",
    "iam:*",
    "aws:RequestTag/",
    "kms:EncryptionContext:",
];

/// A document of this round.
pub fn document(dice: &mut Dice) -> String {
    match dice.below(10) {
        0 => deep(dice),
        1 => wide(dice),
        2 => noise(dice),
        _ => changed(dice),
    }
}

/// A valid document, with up to eight changes.
fn changed(dice: &mut Dice) -> String {
    let mut text: Vec<char> = dice.one_of(SOUND).chars().collect();
    for _ in 0..dice.below(9) {
        let at = dice.below(text.len() + 1);
        let end = (at + dice.below(12)).min(text.len());
        match dice.below(6) {
            0 => drop(text.splice(at..at, dice.one_of(PIECES).chars())),
            1 => drop(text.splice(at..end, dice.one_of(PIECES).chars())),
            2 => drop(text.drain(at..end)),
            3 => {
                let again: Vec<char> = text[at..end].to_vec();
                drop(text.splice(at..at, again));
            }
            // The value of a text, whole: between two quotes.
            4 => {
                let quotes: Vec<usize> =
                    text.iter().enumerate().filter(|(_, c)| **c == '"').map(|(at, _)| at).collect();
                if quotes.len() > 1 {
                    let first = dice.below(quotes.len() - 1);
                    let piece = dice.one_of(PIECES).replace(['"', '\\'], "");
                    drop(text.splice(quotes[first] + 1..quotes[first + 1], piece.chars()));
                }
            }
            _ if !text.is_empty() => {
                let other = dice.below(text.len());
                let at = at.min(text.len() - 1);
                text.swap(at, other);
            }
            _ => {}
        }
    }
    text.into_iter().collect()
}

/// Arrays and objects in one another.
fn deep(dice: &mut Dice) -> String {
    let depth = 1 << dice.below(18);
    let (open, close) = dice.one_of(&[&("[", "]"), &("{\"a\":", "}"), &("{\"Statement\":[", "]}")]);
    let closing = if dice.below(2) == 0 { close.repeat(depth) } else { String::new() };
    format!("{{\"Version\":\"2012-10-17\",\"Statement\":{}1{closing}", open.repeat(depth))
}

/// A document with many of something.
fn wide(dice: &mut Dice) -> String {
    let many = 1 << dice.below(12);
    let item = dice.one_of(&[
        "s3:*",
        "iam:Get*",
        "*",
        "x:y",
        "arn:aws:s3:::*?*?*",
        "${aws:username}",
        "a",
    ]);
    let list = vec![format!("\"{item}\""); many].join(",");
    let statement = match dice.below(4) {
        0 => format!(r#"{{"Effect":"Allow","Action":[{list}],"Resource":"*"}}"#),
        1 => format!(r#"{{"Effect":"Allow","Action":"s3:*","Resource":[{list}]}}"#),
        2 => format!(
            r#"{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"StringLike":{{"k":[{list}]}}}}}}"#
        ),
        _ => {
            vec![r#"{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}"#; many.min(600)].join(",")
        }
    };
    format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#)
}

/// Pieces in any order.
fn noise(dice: &mut Dice) -> String {
    (0..dice.below(60)).map(|_| dice.one_of(PIECES)).collect()
}

/// A value of a condition key or an ARN, as a stranger may send one.
pub fn value(dice: &mut Dice) -> String {
    (0..dice.below(6)).map(|_| dice.one_of(PIECES)).collect()
}
