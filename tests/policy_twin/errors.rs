//! Documents that are refused, with AWS's sentence, and positions.

use domesday::policy::{Document, DocumentError, DocumentKind, Position};
use serde_json::{Value, json};

const SYNTAX: &str = "Syntax errors in policy.";
const LEGACY: &str = "The policy failed legacy parsing";
const VERSION: &str = "Policy document must be version 2012-10-17 or greater.";
const ACTIONS: &str = "Policy statement must contain actions.";
const RESOURCES: &str = "Policy statement must contain resources.";
const VENDOR: &str = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
const COLON: &str = "Actions/Condition can contain only one colon.";
const UNIQUE: &str = "Statement IDs (SID) in a single policy must be unique.";
const REGEX: &str = "Resource vendor must be fully qualified and cannot contain regexes.";
const BUCKET: &str = "arn:aws:s3:::b";

fn refused(text: &str, kind: DocumentKind) -> DocumentError {
    match Document::parse_new(text, kind) {
        Ok(_) => panic!("accepted: {text}"),
        Err(error) => {
            assert_eq!(error.code(), "MalformedPolicyDocument");
            error
        }
    }
}

#[track_caller]
fn expect(message: &str, document: Value) {
    assert_eq!(
        refused(&document.to_string(), DocumentKind::Identity).to_string(),
        message,
        "{document}"
    );
}

/// A sound statement with other elements put in (or taken out, by `null`).
fn with(changes: Value) -> Value {
    let mut statement = json!({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": BUCKET});
    for (key, value) in changes.as_object().unwrap() {
        if value.is_null() {
            statement.as_object_mut().unwrap().remove(key);
        } else {
            statement[key] = value.clone();
        }
    }
    json!({"Version": "2012-10-17", "Statement": statement})
}

#[test]
fn shapes() {
    for text in ["This is not a json document", "[]", "\"x\"", "{\"Version\":\"2012-10-17\"", ""] {
        assert_eq!(refused(text, DocumentKind::Identity).message(), SYNTAX);
    }
    assert_eq!(refused("{", DocumentKind::Trust).message(), "This policy contains invalid Json");
    let statement = &with(json!({}))["Statement"];
    for document in [
        json!({"Version": "2013-10-17", "Statement": statement}),
        json!({"Version": "2012-10-17"}),
        json!({"Version": "2012-10-17", "Statement": []}),
        json!({"Version": "2012-10-17", "Statement": ["x"]}),
        json!({"Version": "2012-10-17", "Statement": statement, "Extra": "x"}),
        json!({"Version": "2012-10-17", "statement": statement}),
        json!({"Version": "2012-10-17", "Statement": statement, "Id": []}),
        with(json!({"Extra": "x"})),
        with(json!({"effect": "Allow"})),
        with(json!({"Effect": "invalid"})),
        with(json!({"Effect": null})),
        with(json!({"Resource": {"a": BUCKET}})),
        with(json!({"Resource": ["x", {}]})),
        with(json!({"NotResource": []})),
        with(json!({"NotAction": "s3:*"})),
        with(json!({"Action": [[]]})),
        with(json!({"Action": {}})),
        with(json!({"Sid": {}})),
        with(json!({"Condition": []})),
        with(json!({"Condition": "a"})),
        with(json!({"Condition": {"a": "b"}})),
        with(json!({"Condition": {"DateGreaterThan": {"a": {}}}})),
        with(json!({"Condition": {"StringEquals": {"a": null}}})),
        with(json!({"Condition": {"x": {"a": "1"}}})),
        with(json!({"Condition": {"stringequals": {"a": "1"}}})),
        with(json!({"Condition": {"ForAnyValue::StringEqualsIfExists": {"a": "x"}}})),
        with(json!({"Resource": "arn:aws:s3:::\u{4e2d}"})),
    ] {
        expect(SYNTAX, document);
    }
    let twice = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Effect":"Deny","Action":"*","Resource":"*"}}"#;
    let error = refused(twice, DocumentKind::Identity);
    assert_eq!((error.message(), error.position()), (SYNTAX, Position { line: 1, column: 55 }));
    assert!(error.detail().contains("\"Effect\" is given twice"));
}

#[test]
fn sentences() {
    let partition = |printed: &str, name: &str| {
        format!("Partition \"{name}\" is not valid for resource \"{printed}\".")
    };
    let path = "IAM resource path must either be \"*\" or start with user/, federated-user/, role/, group/, \
                instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, \
                report/, access-report/.";
    for (changes, message) in [
        (json!({"Action": "invalid"}), VENDOR),
        (json!({"Action": null, "NotAction": ""}), VENDOR),
        (json!({"Action": "a a:ListBucket"}), "Vendor a a is not valid"),
        (json!({"Action": "s3*:ListBucket"}), "Vendor s3* is not valid"),
        (json!({"Action": "s3:List:Bucket"}), COLON),
        (
            json!({"Resource": "invalid resource"}),
            "Resource invalid resource must be in ARN format or \"*\".",
        ),
        (json!({"Resource": ""}), "Resource  must be in ARN format or \"*\"."),
        (json!({"Resource": "a:bsd"}), &partition("arn:bsd:*:*:*:*", "bsd")),
        (json!({"Resource": "a:b:cad"}), &partition("arn:b:cad:*:*:*", "b")),
        (json!({"Resource": "a:b:c:d:e:f:g:h"}), &partition("arn:b:c:d:e:f:g:h", "b")),
        (json!({"Resource": "aws:s3:::b"}), &partition("arn:s3:::b:*", "s3")),
        (
            json!({"Resource": ["arn:error:s3:::b", "arn:error:s3::b"]}),
            &partition("arn:error:s3:::b", "error"),
        ),
        (json!({"Resource": null}), RESOURCES),
        (json!({"Resource": []}), RESOURCES),
        (json!({"Action": null}), ACTIONS),
        (json!({"Action": []}), ACTIONS),
        (json!({"Resource": "arn:aws:iam:::b"}), path),
        (json!({"Resource": "arn:aws:s3::b"}), LEGACY),
        (json!({"Resource": null, "NotResource": "arn:aws:s3::b"}), LEGACY),
        (json!({"Resource": "arn:aws::::b"}), LEGACY),
        (json!({"Resource": "arn:aws::x"}), LEGACY),
        (json!({"Resource": "arn:aws"}), REGEX),
        (
            json!({"Resource": "arn:aws:iam:us-east-1::b"}),
            "IAM resource arn:aws:iam:us-east-1::b cannot contain region information.",
        ),
        (
            json!({"Resource": "arn:aws:s3:us-east-1::b"}),
            "Resource arn:aws:s3:us-east-1::b can not contain region information.",
        ),
        (json!({"Effect": "denY"}), LEGACY),
        (json!({"Condition": {"DateGreaterThan": {"a": "sdfdsf"}}}), LEGACY),
        (json!({"Condition": {"DateLessThanEquals": {"a": ["2016-01-01", "234-13"]}}}), LEGACY),
        (json!({"Principal": "*"}), "Policy document should not specify a principal."),
        (
            json!({"Sid": "a b"}),
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*",
        ),
    ] {
        expect(message, with(changes));
    }
}

#[test]
fn precedence() {
    let mut old = with(json!({"Effect": "denY"}));
    old["Version"] = json!("2008-10-17");
    expect(VERSION, old.clone());
    old.as_object_mut().unwrap().remove("Version");
    expect(VERSION, old);
    let twice = json!([{"Sid": "x", "Effect": "Allow", "Action": "s3:*", "Resource": BUCKET}, {"Sid": "x", "Effect": "Allow"}]);
    expect(VERSION, json!({ "Statement": twice }));
    expect(UNIQUE, json!({"Version": "2012-10-17", "Statement": twice}));
    for (changes, message) in [
        (json!({"Action": null, "Condition": {"DateLessThan": {"a": {}}}}), SYNTAX),
        (json!({"Action": null, "Condition": {"DateLessThan": {"a": "x"}}}), LEGACY),
        (
            json!({"Resource": "arn:error:s3:::b", "Condition": {"DateLessThan": {"a": "x"}}}),
            LEGACY,
        ),
        (json!({"Effect": "allow", "Action": null, "Resource": "arn:aws:s3:us-east-1::b"}), LEGACY),
        (json!({"Action": null, "Resource": "arn:aws:s3::b"}), LEGACY),
        (json!({"Action": null, "Resource": "x"}), ACTIONS),
        (json!({"Action": null, "Resource": null}), ACTIONS),
        (
            json!({"Action": "s:3:List", "Resource": "sdf"}),
            "Resource sdf must be in ARN format or \"*\".",
        ),
        (json!({"Action": "invalid", "Resource": null}), VENDOR),
    ] {
        expect(message, with(changes));
    }
    let first = json!({"Effect": "Allow", "Action": "s3s:ListBucket", "Resource": BUCKET});
    let second = json!({"Effect": "Allow", "Action": "s:3s:ListBucket", "Resource": BUCKET});
    expect(COLON, json!({"Version": "2012-10-17", "Statement": [first, second]}));
}

#[test]
fn accepted() {
    for changes in [
        json!({}),
        json!({"Sid": ""}),
        json!({"Action": "iam: asdf safdsf af "}),
        json!({"Action": ["*", "*:*", "s3-s:x", "s3.s:x", "unheardof:x"]}),
        json!({"Action": null, "NotAction": "s3:*"}),
        json!({"Resource": null, "NotResource": "*"}),
        json!({"Resource": [BUCKET, "*", "arn:aws:iam:::user/x", "arn:aws:iam::*:*", "arn:aws:fdsasf", "arn:*:sns:*:*:x"]}),
        json!({"Resource": ["arn:aws:s3:*", "arn:aws:iam::*", "arn:aws:ec2:us-east-1::x", "arn:aws-cn:s3:::b/*"]}),
        json!({"Resource": "arn:aws:s3:us-west-2:111111111111:accesspoint/x/object/*"}),
        json!({"Condition": {}}),
        json!({"Condition": {"a": {}, "b": {}}}),
        json!({"Condition": {"DateGreaterThan": {"a": []}}}),
        json!({"Condition": {"DateGreaterThan": {"a": ["01T", "-292275054", "2016-12-13t2:00:00.593194+23"]}}}),
        json!({"Condition": {"ForAnyValue:StringEqualsIfExists": {"a": "x"}, "Bool": {"b": true}, "NumericEquals": {"c": 1}}}),
    ] {
        let text = with(changes).to_string();
        Document::parse_new(&text, DocumentKind::Identity)
            .unwrap_or_else(|e| panic!("{}: {text}", e.detail()));
    }
}

#[test]
fn policies_that_name_principals() {
    let trust = |changes: Value| {
        let mut document = with(
            json!({"Action": "sts:AssumeRole", "Resource": null, "Principal": {"AWS": "111111111111"}}),
        );
        for (key, value) in changes.as_object().unwrap() {
            document["Statement"][key] = value.clone();
        }
        document.to_string()
    };
    for (changes, message) in [
        (json!({"Resource": "*"}), "Has prohibited field Resource"),
        (json!({"Principal": {"AWS": "x"}}), "Invalid principal in policy: \"AWS\":\"x\""),
        (
            json!({"Principal": {"AWS": ["*", "arn:aws:iam::111111111111:user/*"]}}),
            "Invalid principal in policy: \"AWS\":\"arn:aws:iam::111111111111:user/*\"",
        ),
        (
            json!({"Principal": {"Service": "ec2"}}),
            "Invalid principal in policy: \"Service\":\"ec2\"",
        ),
        (json!({"Principal": {"Nobody": "x"}}), SYNTAX),
        (json!({"Principal": "x"}), SYNTAX),
        (json!({"Principal": {}}), "Missing required field Principal cannot be empty!"),
        (
            json!({"Action": "s3:GetObject"}),
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (json!({"Action": []}), ACTIONS),
    ] {
        assert_eq!(refused(&trust(changes), DocumentKind::Trust).message(), message);
    }
    let sound = trust(
        json!({"Principal": {"AWS": ["arn:aws:iam::111111111111:user/a", "111111111111", "arn:aws:iam::111111111111:role/p/r"]}}),
    );
    let document = Document::parse_new(&sound, DocumentKind::Trust).unwrap();
    assert_eq!(
        document.principals().collect::<Vec<_>>(),
        ["arn:aws:iam::111111111111:user/a", "arn:aws:iam::111111111111:role/p/r"]
    );
    let old = sound.replace("2012-10-17", "2008-10-17");
    assert!(Document::parse_new(&old, DocumentKind::Trust).is_ok());
    let old = with(json!({})).to_string().replace("2012-10-17", "2008-10-17");
    assert!(Document::parse_new(&old, DocumentKind::Session).is_ok());
    assert_eq!(refused(&old, DocumentKind::Scp).message(), VERSION);
    let nobody = with(json!({})).to_string();
    for kind in [DocumentKind::Trust, DocumentKind::Resource, DocumentKind::Rcp] {
        assert_eq!(refused(&nobody, kind).message(), "Missing required field Principal");
    }
    assert!(Document::parse(&nobody, DocumentKind::Resource).is_ok());
    let someone = with(json!({"Principal": {"AWS": "111111111111"}})).to_string();
    assert_eq!(refused(&someone, DocumentKind::Rcp).message(), SYNTAX);
}

#[test]
fn organisation_policies_want_whole_arns() {
    let short = with(json!({"Resource": "arn:aws:sns"})).to_string();
    assert_eq!(refused(&short, DocumentKind::Scp).message(), LEGACY);
    assert!(Document::parse_new(&short, DocumentKind::Identity).is_ok());
}

#[test]
fn stored_documents_may_be_old_but_not_unclear() {
    let old =
        r#"{"Statement":{"Sid":"a b","Effect":"Allow","Action":"s3:*","Resource":"whatever"}}"#;
    assert!(Document::parse(old, DocumentKind::Identity).is_ok());
    for unclear in [
        with(json!({"Condition": {"StringEqual": {"a": "b"}}})),
        with(json!({"Action": "s3"})),
        with(json!({"Effect": "allow"})),
        with(json!({"Resource": null})),
        with(json!({"Principal": "*"})),
    ] {
        assert!(
            Document::parse(&unclear.to_string(), DocumentKind::Identity).is_err(),
            "{unclear}"
        );
    }
}

#[test]
fn positions_are_just_after_the_braces() {
    let text = "{\"Version\": \"2012-10-17\", \"Statement\": {\"Sid\": \"a\", \"Effect\": \"Allow\", \"Action\": \"s3:*\", \"Resource\": \"*\"}}";
    let document = Document::parse(text, DocumentKind::Identity).unwrap();
    let statement = &document.statements()[0];
    let column = |number| Position { line: 1, column: number };
    assert_eq!((statement.after(), statement.start()), (column(41), column(41)));
    assert_eq!(statement.end(), column(u32::try_from(text.len()).unwrap()));
    let lines = "{\"Statement\":[\n  {\"Effect\":\"Deny\",\n\"Action\":\"*\",\"Resource\":\"*\"\n}, {\"Sid\":\"\u{e9}\",\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":\"*\"}]}";
    let document = Document::parse(lines, DocumentKind::Identity).unwrap();
    let spans: Vec<_> = document
        .statements()
        .iter()
        .map(|s| (s.start().line, s.start().column, s.end().line, s.end().column))
        .collect();
    assert_eq!(spans, [(2, 4, 4, 2), (4, 5, 4, 59)]);
    // What AWS reports of statements in an array is where the one before, or the bracket, ends.
    let after: Vec<_> =
        document.statements().iter().map(|s| (s.after().line, s.after().column)).collect();
    assert_eq!(after, [(1, 15), (4, 2)]);
}

#[test]
fn the_steps_of_a_decision_grow_with_length_and_wildcards() {
    let text = |resource: &str| {
        format!(r#"{{"Statement":{{"Effect":"Allow","Action":"s3:Get","Resource":"{resource}"}}}}"#)
    };
    let steps = |resource: &str, longest| {
        let document = Document::parse(&text(resource), DocumentKind::Identity).unwrap();
        document.steps(longest)
    };
    let length = u64::try_from(text("arn:aws:s3:::b").len()).unwrap();
    assert_eq!(steps("arn:aws:s3:::b", 2_048), length);
    assert_eq!(steps("arn:aws:s3:::b*?${x}", 1_000), length + 6 + 3_000);
}

/// What AWS publishes it would also take from others; what it does not take is told with its reason.
#[test]
fn the_policies_of_aws_can_be_saved() {
    use std::io::Read;
    const REFUSED: [(&str, &str); 0] = [];
    let packed = include_bytes!("../../fixtures/managed-policies/policies.jsonl.gz");
    let mut lines = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut lines).unwrap();
    let mut refused = Vec::new();
    let mut policies = 0;
    for line in lines.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let document = record["document"].to_string();
        if let Err(error) = Document::parse_new(&document, DocumentKind::Identity) {
            refused.push((record["name"].as_str().unwrap().to_owned(), error.to_string()));
        }
        policies += 1;
    }
    let refused: Vec<_> = refused.iter().map(|(name, why)| (name.as_str(), why.as_str())).collect();
    assert_eq!(refused, REFUSED);
    assert!(policies > 1_500, "{policies}");
}

#[test]
fn iam_has_types_that_the_message_does_not_name() {
    for path in [
        "root",
        "assumed-role/r/s",
        "delegation-request/d",
        "role-template/s.amazonaws.com/T:1",
        "contextProvider/c",
        "mfa/m",
    ] {
        let resource = format!("arn:aws:iam::123456789012:{path}");
        let document = with(json!({ "Resource": resource })).to_string();
        assert!(Document::parse_new(&document, DocumentKind::Identity).is_ok(), "{path}");
    }
    for path in ["roots", "root/a", "assumed-role", "contextprovider/c"] {
        let resource = format!("arn:aws:iam::123456789012:{path}");
        let document = with(json!({ "Resource": resource })).to_string();
        let error = refused(&document, DocumentKind::Identity);
        assert!(error.to_string().starts_with("IAM resource path must"), "{path}: {error}");
    }
}
