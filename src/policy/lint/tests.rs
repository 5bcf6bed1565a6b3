//! What is found, and what is left alone.

use super::*;

fn found(text: &str, options: &Options) -> Vec<String> {
    lint(text, options)
        .into_iter()
        .map(|finding| {
            let Position { line, column } = finding.position;
            format!("{line}:{column} {}", finding.code)
        })
        .collect()
}

fn codes_of(kind: Kind, statements: &str) -> Vec<&'static str> {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
    let options = Options { kind: Some(kind), ..Options::default() };
    lint(&text, &options).into_iter().map(|finding| finding.code).collect()
}

fn codes(statements: &str) -> Vec<&'static str> {
    codes_of(Kind::Identity, statements)
}

/// A statement of these actions, resources and conditions.
fn allow(action: &str, resource: &str, condition: &str) -> String {
    format!(
        r#"{{"Effect":"Allow","Action":{action},"Resource":{resource},"Condition":{condition}}}"#
    )
}

#[test]
fn errors_are_aws_s_and_come_with_their_place() {
    let text = "{\n \"Version\": \"2012-10-17\",\n \"Statement\": {\"Effect\": \"Allow\",\n  \"Action\": \"GetUser\", \"Resource\": \"*\"}}";
    let findings = lint(text, &Options::default());
    assert_eq!(findings[0].code, "MalformedPolicyDocument");
    assert_eq!(
        findings[0].message,
        "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
    );
    assert_eq!((findings[0].position.line, findings[0].position.column), (4, 13));
    assert_eq!(found("{", &Options::default()), ["1:2 MalformedPolicyDocument"]);
    let long = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Deny","Action":"*","Resource":["*","arn:aws:s3:::{}"]}}}}"#,
        "x".repeat(6_200)
    );
    assert_eq!(found(&long, &Options::default())[0], "1:1 LimitExceeded");
}

#[test]
fn what_is_refused_for_a_rule_is_searched_all_the_same() {
    let text = r#"{"Statement":{"Effect":"Allow","Action":"iam:GetUsr","Resource":"*"}}"#;
    assert_eq!(
        found(text, &Options::default()),
        ["1:1 MalformedPolicyDocument", "1:41 unknown-action"]
    );
}

#[test]
fn the_kind_is_guessed_by_principal_and_resource() {
    for (statement, kind) in [
        (r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#, Kind::Identity),
        (r#"{"Principal":"*","Action":"sts:AssumeRole"}"#, Kind::Trust),
        (r#"[{"Principal":"*","Action":"*"},{"NotPrincipal":"*","Resource":"*"}]"#, Kind::Resource),
        ("broken", Kind::Identity),
    ] {
        assert_eq!(guess(&format!(r#"{{"Statement":{statement}}}"#)), kind, "{statement}");
    }
}

#[test]
fn sound_documents_are_left_alone() {
    for (kind, statements) in [
        (
            Kind::Identity,
            r#"{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::b/*"},
            {"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b","Condition":{"StringLike":{"s3:prefix":"home/${aws:username}/*"}}},
            {"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*","Condition":{"ArnLike":{"ec2:SourceInstanceARN":"arn:aws:ec2:*:*:instance/*"}}},
            {"Effect":"Deny","Action":"s3:GetObject","Resource":"*","Condition":{"StringEquals":{"s3:ExistingObjectTag/secret":"yes"}}},
            {"Effect":"Allow","Action":["iam:GetUser","iam:*AccessKey*"],"Resource":"arn:aws:iam::*:user/${aws:username}"},
            {"Effect":"Allow","Action":"ec2:RunInstances","Resource":["arn:aws:ec2:*:*:instance/*","arn:aws:ec2:*::image/ami-*"],
             "Condition":{"Bool":{"aws:SecureTransport":"true"},"IpAddress":{"aws:SourceIp":["10.0.0.0/8","2001:db8::/32"]},
                          "DateLessThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}}},
            {"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::123456789012:role/app-*","Condition":{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com"}}}"#,
        ),
        (
            Kind::Trust,
            r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/ci"},"Action":["sts:AssumeRole","sts:TagSession"],"Condition":{"StringEquals":{"sts:ExternalId":"x"}}},
            {"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"},"Action":"sts:AssumeRoleWithWebIdentity",
             "Condition":{"StringLike":{"token.actions.githubusercontent.com:sub":"repo:me/*"}}}"#,
        ),
        (Kind::Scp, r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#),
        (Kind::Boundary, r#"{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}"#),
        (
            Kind::Resource,
            r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}}"#,
        ),
        (
            Kind::Identity,
            r#"{"Effect":"Allow","Action":"domesday:TimeTravel","Resource":"arn:aws:domesday::123456789012:ledger"}"#,
        ),
    ] {
        assert_eq!(codes_of(kind, statements), Vec::<&str>::new(), "{statements}");
    }
}

#[test]
fn what_grants_too_much_is_told() {
    for (statement, code) in [
        (r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#, "allow-all-actions"),
        (r#"{"Effect":"Allow","Action":"*:*","Resource":"arn:aws:s3:::b"}"#, "allow-all-actions"),
        (r#"{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}"#, "allow-not-action"),
        (
            r#"{"Effect":"Allow","Action":"s3:GetObject","NotResource":"arn:aws:s3:::b/*"}"#,
            "allow-not-resource",
        ),
        (r#"{"Effect":"Allow","Action":"iam:PassRole","Resource":"*"}"#, "pass-any-role"),
        (
            r#"{"Effect":"Allow","Action":"iam:Pass*","Resource":"arn:aws:iam::123456789012:role/*"}"#,
            "pass-any-role",
        ),
        (
            r#"{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"*"}"#,
            "write-on-all-resources",
        ),
    ] {
        assert_eq!(codes(statement), [code], "{statement}");
        let denied = statement.replace("Allow", "Deny");
        assert_eq!(codes(&denied), Vec::<&str>::new(), "{denied}");
    }
    for (kind, statement, code) in [
        (
            Kind::Resource,
            r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}"#,
            "public-principal",
        ),
        (
            Kind::Trust,
            r#"{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}"#,
            "public-principal",
        ),
        (
            Kind::Resource,
            r#"{"Effect":"Allow","NotPrincipal":{"AWS":"123456789012"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}"#,
            "allow-not-principal",
        ),
        (
            Kind::Trust,
            r#"{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"},
            "Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"token.actions.githubusercontent.com:aud":"sts.amazonaws.com"}}}"#,
            "provider-without-condition",
        ),
        (
            Kind::Trust,
            r#"{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRoleWithSAML"}"#,
            "principal-without-its-action",
        ),
    ] {
        assert_eq!(codes_of(kind, statement), [code], "{statement}");
    }
}

#[test]
fn what_never_matches_is_told() {
    for (action, resource, code) in [
        (r#""s3:GetObjct""#, r#""*""#, "unknown-action"),
        (r#""s4:GetObject""#, r#""*""#, "unknown-service"),
        (r#""s3:Got*""#, r#""*""#, "empty-wildcard"),
        (r#""s3:GetObject, ListBucket""#, r#""*""#, "impossible-action"),
        (r#""s3:ListBucket""#, r#""arn:aws:s3:::b/*""#, "action-without-its-resource"),
        (r#""s3:GetObject""#, r#""arn:aws:s3:::b""#, "action-without-its-resource"),
        (r#""s3:ListAllMyBuckets""#, r#""arn:aws:s3:::b""#, "no-resource-level-permissions"),
        (
            r#""ec2:Describe*Zones""#,
            r#""arn:aws:ec2:*:*:instance/*""#,
            "no-resource-level-permissions",
        ),
        (
            r#""s3:GetObject""#,
            r#"["arn:aws:s3:::b/*","arn:aws:iam::123456789012:user/x"]"#,
            "resource-of-another-type",
        ),
        (r#""s3:GetObject""#, r#""arn:aws:s3:::b/${aws:usrname}/*""#, "unknown-key"),
        (r#""s3:GetObject""#, r#""arn:aws:s3:::b/${aws:username""#, "open-variable"),
        (
            r#""sqs:SendMessage""#,
            r#""arn:aws:sqs:us-east-1:${aws:PrincipalAccount}:q""#,
            "variable-out-of-place",
        ),
        (r#"["s3:GetObject","s3:Get*"]"#, r#""arn:aws:s3:::b/*""#, "redundant-entry"),
        (r#""s3:GetObject""#, r#"["arn:aws:s3:::b/x","arn:aws:s3:::b/*"]"#, "redundant-entry"),
    ] {
        let statement = allow(action, resource, "{}");
        assert_eq!(codes(&statement), [code], "{statement}");
    }
    let old = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/${aws:userid}",
        "Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}}}"#;
    assert_eq!(found(old, &Options::default()), ["1:83 variable-in-old-version"]);
}

#[test]
fn conditions_that_cannot_be_met_are_told() {
    for (condition, code) in [
        (r#"{"StringEquals":{"aws:SourceIpp":"x"}}"#, "unknown-key"),
        (r#"{"StringEquals":{"SourceIp":"x"}}"#, "unknown-key"),
        (r#"{"StringEquals":{"aws:CurrentTime":"2026-01-01"}}"#, "operator-of-another-type"),
        (r#"{"StringEquals":{"aws:SecureTransport":"true"}}"#, "operator-of-another-type"),
        (r#"{"Bool":{"aws:PrincipalOrgID":"true"}}"#, "operator-of-another-type"),
        (r#"{"StringEquals":{"aws:PrincipalOrgPaths":"o-1/"}}"#, "several-values"),
        (r#"{"ForAnyValue:StringEquals":{"aws:PrincipalOrgID":"o-1"}}"#, "single-value"),
        (r#"{"ForAllValues:StringEquals":{"aws:CalledVia":"x"}}"#, "for-all-of-nothing"),
        (r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/33"}}"#, "unreadable-value"),
        (r#"{"Bool":{"aws:SecureTransport":"yes"}}"#, "unreadable-value"),
        (r#"{"NumericLessThan":{"aws:MultiFactorAuthAge":"an hour"}}"#, "unreadable-value"),
        (r#"{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*"}}"#, "unreadable-value"),
        (r#"{"Null":{"aws:SourceIp":"no"}}"#, "unreadable-value"),
        (r#"{"StringEquals":{"aws:PrincipalTag/team":"re*"}}"#, "wildcard-as-text"),
        (r#"{"StringEquals":{"aws:PrincipalTag/team":"${aws:Team}"}}"#, "unknown-key"),
        (r#"{"StringEquals":{"iam:PassedToService":"x"}}"#, "key-not-carried"),
        (r#"{"StringNotEqualsIfExists":{"s3:prefix":"x"}}"#, "key-not-carried"),
    ] {
        let statement = allow(r#""s3:GetObject""#, r#""arn:aws:s3:::b/*""#, condition);
        assert_eq!(codes(&statement), [code], "{condition}");
    }
    let guard =
        r#"{"ForAllValues:StringEquals":{"aws:CalledVia":"x"},"Null":{"aws:CalledVia":false}}"#;
    assert!(codes(&allow(r#""s3:GetObject""#, r#""arn:aws:s3:::b/*""#, guard)).is_empty());
    let some = allow(
        r#"["s3:GetObject","s3:ListBucket"]"#,
        r#"["arn:aws:s3:::b","arn:aws:s3:::b/*"]"#,
        r#"{"StringLike":{"s3:prefix":"x*"}}"#,
    );
    assert_eq!(codes(&some), ["key-not-carried-by-some"]);
}

#[test]
fn statements_that_others_make_idle_are_told() {
    let get = |resource: &str| allow(r#""s3:GetObject""#, resource, "{}");
    let wide = get(r#""arn:aws:s3:::b/*""#);
    let narrow = get(r#""arn:aws:s3:::b/x""#);
    assert_eq!(codes(&format!("{wide},{narrow}")), ["shadowed-statement"]);
    assert_eq!(codes(&format!("{narrow},{wide}")), ["shadowed-statement"]);
    assert_eq!(codes(&format!("{wide},{wide}")), ["duplicate-statement"]);
    let denied = wide.replace("Allow", "Deny");
    assert_eq!(codes(&format!("{narrow},{denied}")), ["unreachable-allow"]);
    assert!(codes(&format!("{wide},{}", narrow.replace("Allow", "Deny"))).is_empty());
    let bound = r#"{"Bool":{"aws:SecureTransport":"true"}}"#;
    let conditional = allow(r#""s3:GetObject""#, r#""arn:aws:s3:::b/*""#, bound);
    assert_eq!(codes(&format!("{conditional},{wide}")), ["shadowed-statement"]);
    let conditional = conditional.replace("Allow", "Deny");
    assert!(codes(&format!("{conditional},{narrow}")).is_empty(), "a Deny under a condition");
    // The fields of an ARN are apart, and ? is not *.
    let other = get(r#""arn:aws:s3:::b?/x""#);
    assert!(
        codes(&format!("{other},{}", get(r#""arn:aws:s3:::b*/x""#)))
            .contains(&"shadowed-statement")
    );
    assert!(
        codes(&format!("{},{other}", get(r#""arn:aws:s3:::bc/x""#)))
            .contains(&"shadowed-statement")
    );
    assert!(
        codes(&format!("{},{}", get(r#""arn:aws:s3:::b??/x""#), get(r#""arn:aws:s3:::b*?/y""#)))
            .is_empty()
    );
}

#[test]
fn slips_come_with_what_was_meant_and_own_services_are_trusted() {
    let advice = |statement: &str, services: &[&str]| -> Vec<String> {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#);
        let services = services.iter().map(|service| (*service).to_owned()).collect();
        lint(&text, &Options { kind: None, services }).into_iter().map(|f| f.advice).collect()
    };
    let statement = |action: &str| allow(&format!("\"{action}\""), r#""*""#, "{}");
    assert_eq!(advice(&statement("s3:GetObjct"), &[]), ["did you mean s3:GetObject?"]);
    assert_eq!(advice(&statement("lamda:GetFunction"), &[]), ["did you mean lambda:GetFunction?"]);
    let key = allow(r#""s3:GetObject""#, r#""*""#, r#"{"StringEquals":{"aws:SourceVcp":"x"}}"#);
    assert_eq!(advice(&key, &[]), ["did you mean aws:SourceVpc?"]);
    let own = allow(r#""billing:Pay""#, r#""*""#, r#"{"StringEquals":{"ledger:Amount":"1"}}"#);
    assert!(!advice(&own, &[]).is_empty());
    let own = own.replace("billing:", "ledger:");
    assert!(advice(&own, &["ledger"]).is_empty());
}

#[test]
fn the_number_of_findings_and_the_work_are_bounded() {
    let actions: Vec<String> = (0..3_000).map(|n| format!("\"s3:N{n}\"")).collect();
    let statement = allow(&format!("[{}]", actions.join(",")), r#""*""#, "{}");
    let many = codes(&statement);
    assert_eq!(many.len(), MOST_FINDINGS + 1);
    assert_eq!(many[0], "LimitExceeded");
    let beyond = allow(&format!("[{}]", vec!["\"s3:X\""; 6_000].join(",")), r#""*""#, "{}");
    assert_eq!(codes(&beyond), ["LimitExceeded"]);
}

/// Our own policies name actions that there are. They are every account's, so they can name no resources.
#[test]
fn our_own_policies_are_clean() {
    let lines = include_str!("../../../fixtures/managed-policies/domesday.jsonl");
    for line in lines.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let found = lint(&record["document"].to_string(), &Options::default());
        let codes: Vec<_> = found.into_iter().map(|finding| finding.code).collect();
        let writes = record["name"] == "DomesdayReviewer";
        let expected: &[&str] = if writes { &["write-on-all-resources"] } else { &[] };
        assert_eq!(codes, expected, "{}", record["name"]);
    }
    assert_eq!(lines.lines().count(), 2);
}

/// AWS's own policies say much that could be said better, but hardly anything that is not so.
#[test]
fn the_policies_of_aws_are_mostly_understood() {
    use std::io::Read;
    let packed = include_bytes!("../../../fixtures/managed-policies/policies.jsonl.gz");
    let mut lines = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut lines).unwrap();
    let (mut policies, mut unknown, mut broken) = (0, 0, 0);
    for line in lines.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        let codes: Vec<_> = lint(&record["document"].to_string(), &Options::default())
            .into_iter()
            .map(|finding| finding.code)
            .collect();
        let any = |wanted: &[&str]| codes.iter().any(|code| wanted.contains(code));
        policies += 1;
        unknown += u32::from(any(&["unknown-action", "unknown-key", "empty-wildcard"]));
        broken += u32::from(any(&["unreadable-value", "open-variable", "impossible-action"]));
    }
    // Those that remain name actions that AWS has not published or has taken back.
    assert!(policies > 1_500 && unknown < policies / 100, "{unknown} of {policies}");
    assert_eq!(broken, 0);
}
