//! Generated cases: small alphabets, so that statements and requests meet often.
//!
//! A case is read off a string of random bytes, each of which decides one choice. So proptest shrinks
//! a failing case by shrinking bytes, and a zero is the simplest choice everywhere.

use serde_json::{Map, Value, json};

const ACTIONS: &[&str] = &[
    "*",
    "*",
    "iam:*",
    "iam:Get*",
    "iam:GetUser",
    "IAM:getuser",
    "iam:?etUser",
    "s3:*",
    "iam:Get User",
    "*:*",
    "iam:*User",
    "sts:*",
    "iam:Get*,x",
    "iam:getrole",
];
const RESOURCES: &[&str] = &[
    "*",
    "*",
    "*",
    "arn:aws:iam::111111111111:user/a",
    "arn:aws:iam::111111111111:user/a*",
    "arn:aws:iam::*:user/${aws:username}",
    "arn:aws:iam::*:user/*",
    "arn:aws:iam::*",
    "arn:aws:iam",
    "arn:aws:iam:*",
    "arn:aws:iam::111111111111:*",
    "arn:aws:s3:::b/${aws:Team, 'x'}/*",
    "arn:*:*:*:*:user/a",
    "arn:aws:iam::1?1111111111:user/?",
    "arn:aws:s3:::*/${*}",
    "arn:aws:iam::${aws:username}:user/a",
    "arn:*:user/a",
];
const NUMBERS: &[&str] = &["5", "7.0", "7", "1e1", "-3", "boop", "0x1", "nan", "10"];
const DATES: &[&str] = &[
    "2026-03-01T12:00:00Z",
    "2024-02-29T00:00:00Z",
    "1772366400",
    "0",
    "2100-12-31T23:59:59Z",
    "1970-01-01T00:00:00Z",
];
const ADDRESSES: &[&str] = &[
    "10.0.0.1",
    "10.0.0.0/8",
    "10.0.0.0/0",
    "2001:db8::1",
    "2001:db8::/32",
    "::/0",
    "10.0.0.0/33",
    "10.0.0.1/32",
    "boop",
];
const ARNS: &[&str] = &[
    "arn:aws:iam::111111111111:role/r",
    "arn:aws:iam::*:role/*",
    "arn:aws:iam::*",
    "arn:aws:sns:a:b:c:d",
    "arn:aws:sns:a:b:*",
    "boop",
    "*",
    "arn:aws:iam::111111111111:role/${aws:username}",
    "arn:aws:iam::${aws:Account}:role/r",
    "x:aws:iam::1:r",
];
const TEXTS: &[&str] = &[
    "Red",
    "red",
    "r*",
    "R?d",
    "${aws:username}",
    "${aws:Team, 'Red'}",
    "a",
    "b",
    "",
    "${*}",
    "*",
    "a*b",
];
const BOOLS: &[&str] = &["true", "FALSE", "boop", "${aws:Flag}"];
const BINARIES: &[&str] = &["AQI=", "AQM=", "!!"];

/// Families: names of operators, keys that usually carry such values, operands.
type Family = (&'static [&'static str], &'static [&'static str], &'static [&'static str]);
const FAMILIES: &[Family] = &[
    (
        &[
            "StringEquals",
            "StringNotEquals",
            "StringEqualsIgnoreCase",
            "StringNotEqualsIgnoreCase",
            "StringLike",
            "StringNotLike",
        ],
        &["k:text", "K:Text", "k:many", "aws:username", "aws:Team"],
        TEXTS,
    ),
    (
        &[
            "NumericEquals",
            "NumericNotEquals",
            "NumericLessThan",
            "NumericLessThanEquals",
            "NumericGreaterThan",
            "NumericGreaterThanEquals",
        ],
        &["k:number", "k:numbers"],
        NUMBERS,
    ),
    (
        &[
            "DateEquals",
            "DateNotEquals",
            "DateLessThan",
            "DateLessThanEquals",
            "DateGreaterThan",
            "DateGreaterThanEquals",
        ],
        &["k:date"],
        DATES,
    ),
    (&["Bool"], &["k:bool", "aws:Flag"], BOOLS),
    (&["BinaryEquals"], &["k:binary"], BINARIES),
    (&["IpAddress", "NotIpAddress"], &["k:address"], ADDRESSES),
    (&["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"], &["k:arn", "k:text"], ARNS),
    (&["Null"], &["k:text", "k:many", "k:none"], &["true", "false"]),
];

const AWS_PRINCIPALS: &[&str] = &[
    "*",
    "111111111111",
    "arn:aws:iam::111111111111:root",
    "222222222222",
    "arn:aws:iam::111111111111:user/a",
    "arn:aws:iam::111111111111:role/r",
    "arn:aws:iam::111111111111:role/p/r",
    "arn:aws:sts::111111111111:assumed-role/r/s",
    "arn:aws:sts::111111111111:federated-user/f",
    "AIDAA000000000000000",
    "AROAR000000000000000",
];
const CALLERS: &[&str] = &[
    "user",
    "user",
    "user",
    "session",
    "session",
    "federated-user",
    "root",
    "service",
    "anonymous",
    "federated",
];

/// Choices, read off bytes; zeros when these run out.
pub struct Dice<'b>(pub &'b [u8]);

impl Dice<'_> {
    fn roll(&mut self) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first)
    }

    fn below(&mut self, sides: usize) -> usize {
        self.roll() % sides
    }

    /// True in about `percent` of a hundred rolls; a zero is false.
    fn chance(&mut self, percent: usize) -> bool {
        self.roll() * 100 >= (100 - percent) * 256
    }

    fn pick<T: Copy>(&mut self, pool: &[T]) -> T {
        pool[self.below(pool.len())]
    }

    /// One entry by itself, or an array of `least` to three.
    fn some(&mut self, pool: &[&str], least: usize) -> Value {
        if !self.chance(40) {
            return json!(self.pick(pool));
        }
        let count = least + self.below(4 - least);
        (0..count).map(|_| json!(self.pick(pool))).collect()
    }

    fn list(&mut self, most: usize, mut item: impl FnMut(&mut Self) -> Value) -> Value {
        let count = self.below(most + 1);
        (0..count).map(|_| item(self)).collect()
    }

    fn or_null(&mut self, percent: usize, item: impl FnOnce(&mut Self) -> Value) -> Value {
        if self.chance(percent) { item(self) } else { Value::Null }
    }
}

/// Which elements a statement has besides Effect and Action.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// No Principal.
    Plain,
    /// Principal and Resource.
    Named,
    /// Principal only.
    Trust,
    /// Principal "*" and Resource.
    Everyone,
}

fn principal(dice: &mut Dice<'_>) -> Value {
    match dice.below(12) {
        0 | 1 => json!("*"),
        2 => json!({"AWS": dice.some(AWS_PRINCIPALS, 1), "Service": "ec2.amazonaws.com"}),
        3 => json!({"Service": ["ec2.amazonaws.com", "s3.amazonaws.com"]}),
        4 => json!({"Federated": "accounts.google.com"}),
        _ => json!({"AWS": dice.some(AWS_PRINCIPALS, 1)}),
    }
}

fn conditions(dice: &mut Dice<'_>) -> Value {
    let mut operators = Map::new();
    for _ in 0..=dice.below(2) {
        let (names, keys, pool) = dice.pick(FAMILIES);
        let name = dice.pick(names);
        let set = dice.pick(&["", "", "", "", "", "ForAllValues:", "ForAnyValue:"]);
        let suffix = if dice.chance(15) && name != "Null" { "IfExists" } else { "" };
        let of = operators.entry(format!("{set}{name}{suffix}")).or_insert_with(|| json!({}));
        of[dice.pick(keys)] = dice.some(pool, 0);
    }
    operators.into()
}

fn statement(dice: &mut Dice<'_>, form: Form) -> Value {
    let mut statement = Map::new();
    let mut put = |key: &str, value: Value| statement.insert(key.into(), value);
    put("Effect", json!(if dice.chance(18) { "Deny" } else { "Allow" }));
    put(if dice.chance(15) { "NotAction" } else { "Action" }, dice.some(ACTIONS, 1));
    if form != Form::Trust {
        put(if dice.chance(15) { "NotResource" } else { "Resource" }, dice.some(RESOURCES, 1));
    }
    match form {
        Form::Plain => {}
        Form::Everyone => drop(put("Principal", json!("*"))),
        Form::Named if dice.chance(5) => {}
        Form::Named | Form::Trust => {
            let name = if dice.chance(15) { "NotPrincipal" } else { "Principal" };
            put(name, principal(dice));
        }
    }
    if dice.chance(45) {
        put("Condition", conditions(dice));
    }
    statement.into()
}

fn document(dice: &mut Dice<'_>, form: Form) -> Value {
    let statements = match dice.below(4) {
        0 => statement(dice, form),
        count => (0..count).map(|_| statement(dice, form)).collect(),
    };
    match dice.below(8) {
        0 => json!({"Version": "2008-10-17", "Statement": statements}),
        1 => json!({ "Statement": statements }),
        _ => json!({"Version": "2012-10-17", "Statement": statements}),
    }
}

fn documents(dice: &mut Dice<'_>, form: Form) -> Value {
    dice.list(3, |dice| document(dice, form))
}

fn policies(dice: &mut Dice<'_>) -> Value {
    let (resource, trust) = match dice.below(10) {
        0..=3 => (Value::Null, false),
        4..=7 => (document(dice, Form::Named), false),
        _ => (document(dice, Form::Trust), true),
    };
    let user = "arn:aws:iam::111111111111:user/a";
    let role = "arn:aws:iam::111111111111:role/r";
    let bindings = match dice.below(6) {
        0 => json!({user: "AIDAA000000000000000", role: null}),
        1 => json!({user: "AIDAOLD0000000000000", role: "AROAR000000000000000"}),
        _ => json!({}),
    };
    json!({
        "identity": documents(dice, Form::Plain),
        "boundary": dice.or_null(20, |dice| documents(dice, Form::Plain)),
        "session": dice.or_null(20, |dice| documents(dice, Form::Plain)),
        "resource": resource,
        "trust": trust,
        "scp": dice.or_null(12, |dice| dice.list(2, |dice| documents(dice, Form::Plain))),
        "rcp": dice.or_null(12, |dice| dice.list(2, |dice| documents(dice, Form::Everyone))),
        "endpoint": dice.or_null(8, |dice| documents(dice, Form::Named)),
        "must_allow": dice.chance(10),
        "bindings": bindings,
    })
}

fn context(dice: &mut Dice<'_>) -> Value {
    let mut context = Map::new();
    let single: [(&str, &[&str]); 11] = [
        ("k:text", &["Red", "red", "a*b", "", "arn:aws:iam::111111111111:role/r"]),
        ("k:number", NUMBERS),
        ("k:date", DATES),
        ("k:bool", BOOLS),
        ("k:binary", BINARIES),
        ("k:address", ADDRESSES),
        ("k:arn", ARNS),
        ("aws:UserName", &["a", "*", "r"]),
        ("aws:team", &["x", "Red"]),
        ("aws:flag", &["true", "boop"]),
        ("aws:account", &["111111111111"]),
    ];
    for (key, pool) in single {
        if !dice.chance(25) {
            context.insert(key.into(), json!(dice.pick(pool)));
        }
    }
    let several: [(&str, &[&str]); 2] =
        [("k:many", &["a", "b", "Red"]), ("k:numbers", &["5", "7", "boop"])];
    for (key, pool) in several {
        if !dice.chance(25) {
            context.insert(key.into(), dice.list(2, |dice| json!(dice.pick(pool))));
        }
    }
    context.into()
}

fn request(dice: &mut Dice<'_>) -> Value {
    let action = match dice.below(16) {
        15 => "sts:GetCallerIdentity",
        14 => "sts:GetSessionToken",
        _ => dice.pick(&[
            "iam:GetUser",
            "iam:getUser",
            "iam:GetRole",
            "s3:PutObject",
            "sts:AssumeRole",
        ]),
    };
    let resource = dice.pick(&[
        "*",
        "arn:aws:iam::111111111111:user/a",
        "arn:aws:iam::111111111111:user/a",
        "arn:aws:iam::222222222222:user/a",
        "arn:aws:s3:::b/x/y",
        "arn:aws:iam::111111111111:user/p:q",
        "arn:aws:s3:::b/*",
    ]);
    let mut request = json!({"action": action, "resource": resource, "context": context(dice)});
    if dice.chance(20) {
        request["resource_account"] = json!(dice.pick(&["111111111111", "222222222222"]));
    }
    let (known, other) = (!dice.chance(20), dice.chance(50));
    let user_id = if known { "AIDAA000000000000000" } else { "" };
    let caller = dice.pick(CALLERS);
    let mut set = |key: &str, value: &str| request[key] = json!(value);
    match caller {
        "user" => {
            set("principal", "arn:aws:iam::111111111111:user/a");
            set("id", user_id);
        }
        "session" => {
            set("principal", "arn:aws:sts::111111111111:assumed-role/r/s");
            set(
                "role_arn",
                if other {
                    "arn:aws:iam::111111111111:role/p/r"
                } else {
                    "arn:aws:iam::111111111111:role/r"
                },
            );
            set("id", if known { "AROAR000000000000000" } else { "" });
        }
        "federated-user" => {
            set("principal", "arn:aws:sts::111111111111:federated-user/f");
            set(
                "began_by",
                if other {
                    "arn:aws:iam::111111111111:root"
                } else {
                    "arn:aws:iam::111111111111:user/a"
                },
            );
            set("began_by_id", if other { "111111111111" } else { user_id });
        }
        "root" => set("principal", "arn:aws:iam::111111111111:root"),
        "service" => set("principal", "ec2.amazonaws.com"),
        "anonymous" => set("principal", "*"),
        _ => {
            set("principal", "accounts.google.com");
            request["federated"] = json!(true);
        }
    }
    request
}

/// A request and the policies that apply to it.
pub fn case(bytes: &[u8]) -> Value {
    let mut dice = Dice(bytes);
    let request = request(&mut dice);
    json!({"request": request, "policies": policies(&mut dice)})
}
