//! What strangers can send: it is answered or refused, without a panic, and in time that grows with its
//! length only as the matching of patterns must.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domesday::policy::lint::{self, Kind, MOST_FINDINGS};
use domesday::policy::{
    Context, Document, DocumentKind, Label, Outcome, Policies, PolicySet, Principal, Request,
    catalogue, decide, explore,
};

use crate::campaign::Campaign;
use crate::mutate::{self, Dice};

const KINDS: [DocumentKind; 7] = [
    DocumentKind::Identity,
    DocumentKind::Trust,
    DocumentKind::Resource,
    DocumentKind::Session,
    DocumentKind::Scp,
    DocumentKind::Rcp,
    DocumentKind::Endpoint,
];
const LINT_KINDS: [Kind; 8] = [
    Kind::Identity,
    Kind::Trust,
    Kind::Resource,
    Kind::Scp,
    Kind::Rcp,
    Kind::Boundary,
    Kind::Session,
    Kind::Endpoint,
];
/// Documents between two looks at the clock.
const AT_ONCE: u64 = 100;
/// Longer than anything here may take, even on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn whatever_is_sent_is_answered_or_refused() {
    let mut campaign = Campaign::new("documents nobody should write", 20, 1086);
    let (mut read, mut refused, mut allowed, mut denied, mut found) =
        (0u64, 0u64, 0u64, 0u64, 0u64);
    while let Some(round) = campaign.next() {
        for case in 0..AT_ONCE {
            let mut dice = Dice::new(campaign.seed, round * AT_ONCE + case);
            let text = mutate::document(&mut dice);
            let began = Instant::now();
            for kind in KINDS {
                let (stored, new) =
                    (Document::parse(&text, kind), Document::parse_new(&text, kind));
                // Whoever can save a document can have it evaluated.
                assert!(new.is_err() || stored.is_ok(), "{kind:?} {text}");
                for error in [stored.as_ref().err(), new.as_ref().err()].into_iter().flatten() {
                    assert!(!error.message().is_empty() && error.position().line > 0, "{text}");
                }
                let Ok(document) = stored else {
                    refused += 1;
                    continue;
                };
                read += 1;
                match put_to(&document.into(), &mut dice) {
                    Outcome::Allowed => allowed += 1,
                    _ => denied += 1,
                }
            }
            let kind = LINT_KINDS[dice.below(LINT_KINDS.len())];
            let options = lint::Options { kind: Some(kind), ..lint::Options::default() };
            let findings = lint::lint(&text, &options);
            assert!(findings.len() <= MOST_FINDINGS + 1);
            found += findings.len() as u64;
            let _ = lint::guess(&text);
            let odd = mutate::value(&mut dice);
            let _ =
                (catalogue::expand(&odd), catalogue::condition_key(&odd), catalogue::service(&odd));
            assert!(
                began.elapsed() < PATIENCE,
                "{:?} for seed {} round {round} case {case}",
                began.elapsed(),
                campaign.seed
            );
        }
    }
    // Mutations that are all refused would try nothing but the parser.
    for (what, count) in [
        ("read", read),
        ("refused", refused),
        ("allowed", allowed),
        ("denied", denied),
        ("found", found),
    ] {
        assert!(count > (read + refused) / 200, "only {count} {what}");
    }
    campaign.end(&format!(
        "{read} read, {refused} refused, {allowed} allowed, {denied} denied, {found} findings"
    ));
}

/// Puts the document where it belongs and asks about it with strange values.
fn put_to(document: &Arc<Document>, dice: &mut Dice) -> Outcome {
    let texts: Vec<String> = (0..6).map(|_| mutate::value(dice)).collect();
    let mut context = Context::new();
    for (key, text) in
        ["aws:username", "s3:prefix", "aws:CurrentTime", "aws:SourceIp", "aws:SourceArn"]
            .iter()
            .zip(&texts)
    {
        if dice.below(2) == 0 {
            context.set(*key, text.as_str());
        }
    }
    context.set_many("aws:TagKeys", texts.iter().map(String::as_str));
    let arn = "arn:aws:iam::111122223333:user/a";
    let callers = [
        Principal::User { account: "111122223333", id: "", arn },
        Principal::Root { account: "111122223333" },
        Principal::Service(&texts[0]),
        Principal::Anonymous,
    ];
    let resource = match dice.below(3) {
        0 => "*",
        1 => "arn:aws:s3:::b/x",
        _ => texts[5].as_str(),
    };
    let action = dice.one_of(&["s3:GetObject", "iam:PassRole", "sts:AssumeRole", "x", ":", ""]);
    let request = Request::new(callers[dice.below(4)], action, resource, &context);
    let full = Document::parse(
        r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
        DocumentKind::Identity,
    )
    .unwrap();
    let (one, other) = (
        PolicySet::of(document.clone(), Label::default()),
        PolicySet::of(full.into(), Label::default()),
    );
    let mut policies = Policies { identity: Some(&other), ..Policies::default() };
    match document.kind() {
        DocumentKind::Identity => policies.identity = Some(&one),
        DocumentKind::Session => policies.session = Some(&one),
        DocumentKind::Scp => policies.scp = std::slice::from_ref(&one),
        DocumentKind::Rcp => policies.rcp = std::slice::from_ref(&one),
        DocumentKind::Endpoint => policies.endpoint = Some(&one),
        DocumentKind::Trust | DocumentKind::Resource => policies.resource = Some(&one),
    }
    let (decision, explored) = (decide(&request, &policies), explore(&request, &policies));
    assert_eq!(decision.outcome, explored.decision.outcome);
    decision.outcome
}

/// How long a pattern takes on a text, as a resource, as a text and as an ARN of a condition: the shortest
/// of several tries, since others use the machine too.
fn matching(pattern: &str, text: &str) -> Duration {
    let document = |element: &str| {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*",{element}}}}}"#
        );
        let document = Document::parse(&text, DocumentKind::Identity).unwrap();
        PolicySet::of(document.into(), Label::default())
    };
    let documents = [
        document(&format!(r#""Resource":"arn:aws:s3:::{pattern}""#)),
        document(&format!(r#""Resource":"*","Condition":{{"StringLike":{{"k":"{pattern}"}}}}"#)),
        document(&format!(
            r#""Resource":"*","Condition":{{"ArnLike":{{"a":"arn:aws:s3:::{pattern}"}}}}"#
        )),
    ];
    let arn = format!("arn:aws:s3:::{text}");
    let mut context = Context::new();
    context.set("k", text);
    context.set("a", arn.as_str());
    let user = Principal::User {
        account: "111122223333",
        id: "",
        arn: "arn:aws:iam::111122223333:user/a",
    };
    let request = Request::new(user, "s3:GetObject", &arn, &context);
    (0..3)
        .map(|_| {
            let began = Instant::now();
            for document in &documents {
                let policies = Policies { identity: Some(document), ..Policies::default() };
                // Every one of these patterns wants a `b` at the end, and no text has one.
                assert_eq!(decide(&request, &policies).outcome, Outcome::ImplicitDeny);
            }
            began.elapsed()
        })
        .min()
        .unwrap()
}

#[test]
fn patterns_cost_no_more_than_their_length_times_the_text_s() {
    /// A step of matching takes a few nanoseconds; this is many times that.
    const NANOS_A_STEP: u128 = 100;
    let mut worst = 0.0f64;
    for (unit, letter) in [
        ("*a", "a"),
        ("*a*a", "a"),
        ("?*", "a"),
        ("*aa", "a"),
        ("a*", "a"),
        ("*é", "é"),
        ("*a?", "a"),
    ] {
        for (pattern_length, text_length) in
            [(100, 100), (1_000, 1_000), (1_000, 4_000), (4_000, 1_000)]
        {
            let pattern = format!("{}b", unit.repeat(pattern_length / unit.chars().count()));
            let text = letter.repeat(text_length);
            let took = matching(&pattern, &text);
            let product = (pattern_length * text_length * 3) as u128;
            let most = Duration::from_millis(50).as_nanos() + product * NANOS_A_STEP;
            assert!(took.as_nanos() < most, "{unit} {pattern_length} on {text_length}: {took:?}");
            worst = worst.max(took.as_nanos() as f64 / product as f64);
        }
    }
    println!("at most {worst:.2} ns for a pattern's character times a text's");
}

#[test]
fn the_longest_documents_are_read_and_searched_in_time() {
    let long = |item: &str, count: usize| vec![format!("\"{item}\""); count].join(",");
    let statement =
        r#"{"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:instance/*"}"#;
    for text in [
        // As long as is read at all, and as long as is searched.
        format!(
            r#"{{"Statement":{{"Effect":"Allow","Action":[{}],"Resource":"*"}}}}"#,
            long("ec2:*", 30_000)
        ),
        format!(
            r#"{{"Statement":{{"Effect":"Allow","Action":[{}],"Resource":"arn:aws:s3:::b"}}}}"#,
            long("ec2:*", 4_000)
        ),
        format!(
            r#"{{"Statement":{{"Effect":"Allow","Action":"ec2:*","Resource":[{}]}}}}"#,
            long("arn:aws:ec2:*:*:*a*b*c*", 1_200)
        ),
        format!(r#"{{"Statement":[{}]}}"#, vec![statement; 400].join(",")),
        format!(
            r#"{{"Statement":{{"Effect":"Allow","Action":[{}],"Resource":"*"}}}}"#,
            long("ec2:Describ", 2_300)
        ),
        "[".repeat(262_000),
        format!("\"{}", "\\u00e9".repeat(43_000)),
    ] {
        let began = Instant::now();
        let _ = Document::parse(&text, DocumentKind::Identity);
        let _ = lint::lint(&text, &lint::Options::default());
        assert!(
            began.elapsed() < PATIENCE,
            "{:?}: {} ...",
            began.elapsed(),
            &text[..80.min(text.len())]
        );
    }
    let beyond = format!(r#"{{"Id":"{}","Statement":[]}}"#, "x".repeat(300_000));
    let error = Document::parse(&beyond, DocumentKind::Identity).unwrap_err();
    assert!(error.detail().contains("longer than"), "{}", error.detail());
    let nested = format!(r#"{{"Statement":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    let error = Document::parse(&nested, DocumentKind::Identity).unwrap_err();
    assert!(error.detail().contains("nested"), "{}", error.detail());
}
