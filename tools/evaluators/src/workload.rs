//! The workload: principals with policies, and requests with the answers that are right.
//!
//! Everything follows from one seed, by SplitMix64 and `next() % n`, so that every engine on every
//! machine sees the same bytes; the digests of the files that the standard seed gives stand in
//! [`digests`]. A thousand principals have five policies of four statements each, over eight services
//! of twelve actions: exact actions on exact resources, prefix wildcards on a team's resources, a
//! statement with a condition (region or network) or a denial or inner wildcards, and exact actions on
//! resources with wildcards. Requests are thirds of allowed, implicitly and explicitly denied ones;
//! what is right is told by [`reference`], which looks at every statement in the plainest way.
//!
//! Left out, because other engines cannot say it without loss: variables, `NotAction` and
//! `NotResource`, `?`, letter case, boundaries, policies on resources.

use std::net::Ipv4Addr;

use serde::Serialize;
use serde_json::{Value, json};

/// The standard seed.
pub const SEED: u64 = 0x444F_4D45_5344_4159;
const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";
const REGIONS: [&str; 4] = [REGION, "us-east-1", "us-west-2", "ap-southeast-2"];

/// A service: its name, what stands before a resource's name in an ARN, and its twelve actions.
pub type Service = (&'static str, &'static str, [&'static str; 12]);

/// The eight services.
#[rustfmt::skip]
pub const SERVICES: [Service; 8] = [
    ("s3", "arn:aws:s3:::", ["GetObject", "GetObjectTagging", "GetObjectVersion", "ListBucketVersions", "ListMultipartUploadParts", "ListBucket", "PutObject", "PutObjectTagging", "CreateAccessPoint", "DeleteObject", "DeleteObjectTagging", "DeleteObjectVersion"]),
    ("dynamodb", "arn:aws:dynamodb:eu-west-1:111122223333:table/", ["GetItem", "GetRecords", "GetShardIterator", "ListStreams", "ListTagsOfResource", "DescribeTable", "PutItem", "CreateTable", "CreateBackup", "DeleteItem", "DeleteTable", "DeleteBackup"]),
    ("ecr", "arn:aws:ecr:eu-west-1:111122223333:repository/", ["GetDownloadUrlForLayer", "GetLifecyclePolicy", "GetRepositoryPolicy", "ListImages", "ListTagsForResource", "DescribeImages", "PutImage", "CreateRepository", "BatchGetImage", "DeleteRepository", "DeleteRepositoryPolicy", "DeleteLifecyclePolicy"]),
    ("ssm", "arn:aws:ssm:eu-west-1:111122223333:parameter/", ["GetParameter", "GetParameterHistory", "GetParameters", "ListTagsForResource", "LabelParameterVersion", "DescribeDocumentParameters", "PutParameter", "AddTagsToResource", "UnlabelParameterVersion", "DeleteParameter", "DeleteParameters", "RemoveTagsFromResource"]),
    ("lambda", "arn:aws:lambda:eu-west-1:111122223333:function:", ["GetFunction", "GetFunctionConfiguration", "GetPolicy", "ListAliases", "ListTags", "ListVersionsByFunction", "InvokeFunction", "CreateAlias", "UpdateFunctionCode", "DeleteAlias", "DeleteFunction", "DeleteFunctionConcurrency"]),
    ("states", "arn:aws:states:eu-west-1:111122223333:stateMachine:", ["GetExecutionHistory", "GetActivityTask", "ListTagsForResource", "ListExecutions", "DescribeExecution", "DescribeStateMachine", "StartExecution", "CreateStateMachine", "UpdateStateMachine", "StopExecution", "DeleteStateMachine", "TagResource"]),
    ("logs", "arn:aws:logs:eu-west-1:111122223333:log-group:", ["GetLogEvents", "GetLogRecord", "GetQueryResults", "ListTagsLogGroup", "DescribeLogStreams", "DescribeSubscriptionFilters", "PutLogEvents", "CreateLogStream", "PutRetentionPolicy", "DeleteLogGroup", "DeleteLogStream", "DeleteRetentionPolicy"]),
    ("secretsmanager", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:", ["GetSecretValue", "GetResourcePolicy", "DescribeSecret", "ListSecretVersionIds", "ValidateResourcePolicy", "ListSecrets", "PutSecretValue", "CreateSecret", "UpdateSecret", "DeleteSecret", "DeleteResourcePolicy", "CancelRotateSecret"]),
];

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A statement allows and none denies.
    Allowed,
    /// No statement is about the request.
    ImplicitDeny,
    /// A statement denies.
    ExplicitDeny,
}

impl Answer {
    /// The three, in the order in which requests ask for them.
    pub const ALL: [Answer; 3] = [Answer::Allowed, Answer::ImplicitDeny, Answer::ExplicitDeny];

    fn name(self) -> &'static str {
        match self {
            Answer::Allowed => "allowed",
            Answer::ImplicitDeny => "implicitDeny",
            Answer::ExplicitDeny => "explicitDeny",
        }
    }
}

/// The condition of a statement.
#[derive(Clone, Debug)]
pub enum Condition {
    /// `aws:RequestedRegion` is one of these.
    Region([&'static str; 2]),
    /// `aws:SourceIp` lies in `10.N.0.0/16`.
    Network(u8),
}

/// A statement of a policy.
#[derive(Clone, Debug)]
pub struct Statement {
    /// `P3S0`: the policy, the statement.
    pub sid: String,
    /// Whether it denies.
    pub deny: bool,
    /// `s3:GetObject`, `s3:Get*`, `s3:*`.
    pub actions: Vec<String>,
    /// ARNs, with `*`.
    pub resources: Vec<String>,
    /// At most one.
    pub condition: Option<Condition>,
}

impl Statement {
    fn json(&self) -> Value {
        let mut json = json!({
            "Sid": self.sid,
            "Effect": if self.deny { "Deny" } else { "Allow" },
            "Action": self.actions,
            "Resource": self.resources,
        });
        match &self.condition {
            None => {}
            Some(Condition::Region(regions)) => {
                json["Condition"] = json!({"StringEquals": {"aws:RequestedRegion": regions}});
            }
            Some(Condition::Network(second)) => {
                let network = format!("10.{second}.0.0/16");
                json["Condition"] = json!({"IpAddress": {"aws:SourceIp": [network]}});
            }
        }
        json
    }
}

/// A policy about one service.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `u0000-p3`.
    pub name: String,
    /// The service.
    pub service: &'static Service,
    /// Its statements.
    pub statements: Vec<Statement>,
}

impl Policy {
    /// The document.
    pub fn document(&self) -> Value {
        let statements: Vec<Value> = self.statements.iter().map(Statement::json).collect();
        json!({"Version": "2012-10-17", "Statement": statements})
    }
}

/// Somebody, and the policies that judge what they do.
#[derive(Clone, Debug)]
pub struct Principal {
    /// `arn:aws:iam::111122223333:user/u0000`.
    pub arn: String,
    /// The policies.
    pub policies: Vec<Policy>,
}

/// The context keys of a request.
#[derive(Clone, Debug, Serialize)]
pub struct Keys {
    /// The region.
    #[serde(rename = "aws:RequestedRegion")]
    pub region: &'static str,
    /// An IPv4 address.
    #[serde(rename = "aws:SourceIp")]
    pub address: String,
}

/// A request, and the answer that is right.
#[derive(Clone, Debug)]
pub struct Request {
    /// The number of the principal.
    pub principal: usize,
    /// `s3:GetObject`.
    pub action: String,
    /// An ARN.
    pub resource: String,
    /// Region and address.
    pub keys: Keys,
    /// What is right.
    pub expected: Answer,
}

/// Principals and requests.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The principals.
    pub principals: Vec<Principal>,
    /// The requests, in thirds of the three answers by turns.
    pub requests: Vec<Request>,
}

impl Workload {
    /// `principals` principals of twenty statements each, and `requests` requests, each of a
    /// principal drawn at random.
    pub fn new(seed: u64, principals: usize, requests: usize) -> Workload {
        let mut random = SplitMix(seed);
        let principals: Vec<Principal> =
            (0..principals).map(|n| principal(&mut random, &format!("u{n:04}"), 5)).collect();
        let requests = (0..requests)
            .map(|at| {
                let chosen = random.below(principals.len());
                request(&mut random, &principals, chosen, Answer::ALL[at % 3])
            })
            .collect();
        Workload { principals, requests }
    }

    /// One principal with so many statements, and 999 requests.
    pub fn growth(seed: u64, statements: usize) -> Workload {
        let mut random = SplitMix(seed.wrapping_add(statements as u64));
        let name = format!("g{statements:04}");
        let mut principal = principal(&mut random, &name, statements.div_ceil(4));
        let mut left = statements;
        for policy in &mut principal.policies {
            policy.statements.truncate(left);
            left -= policy.statements.len();
        }
        principal.policies.retain(|policy| !policy.statements.is_empty());
        let denies =
            principal.policies.iter().flat_map(|policy| &policy.statements).any(|s| s.deny);
        let principals = vec![principal];
        let requests = (0..999)
            .map(|at| {
                let wanted = match Answer::ALL[at % 3] {
                    Answer::ExplicitDeny if !denies => Answer::Allowed,
                    wanted => wanted,
                };
                request(&mut random, &principals, 0, wanted)
            })
            .collect();
        Workload { principals, requests }
    }

    /// The policies and the requests as text, one JSON object a line.
    pub fn lines(&self) -> [String; 2] {
        let policies = self.principals.iter().flat_map(|principal| &principal.policies);
        let policies = policies
            .map(|policy| {
                json!({"name": policy.name, "document": policy.document()}).to_string() + "\n"
            })
            .collect();
        let requests = self.requests.iter().map(|request| self.json(request).to_string() + "\n");
        [policies, requests.collect()]
    }

    fn json(&self, request: &Request) -> Value {
        json!({
            "principal": self.principals[request.principal].arn,
            "action": request.action,
            "resource": request.resource,
            "context": request.keys,
            "expected": request.expected.name(),
        })
    }
}

/// SHA-256 of what [`Workload::lines`] gives, in hexadecimal.
pub fn digests(workload: &Workload) -> [String; 2] {
    use sha2::Digest;
    let hex = |text: String| data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(text));
    workload.lines().map(hex)
}

/// The first digits of the digests of the standard workload: 1,000 principals, 30,000 requests.
pub const STANDARD: [&str; 2] = ["38f3dcd11cc1", "693c4faae48a"];

struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        self.below(256) as u8
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// An ARN that the pattern matches: six hexadecimal digits for each `*`.
    fn fill(&mut self, pattern: &str) -> String {
        let mut filled = pattern.to_owned();
        while filled.contains('*') {
            filled = filled.replacen('*', &format!("{:06x}", self.below(1 << 24)), 1);
        }
        filled
    }
}

fn principal(random: &mut SplitMix, name: &str, policies: usize) -> Principal {
    Principal {
        arn: format!("arn:aws:iam::{ACCOUNT}:user/{name}"),
        policies: (0..policies).map(|number| policy(random, name, number)).collect(),
    }
}

fn policy(random: &mut SplitMix, name: &str, k: usize) -> Policy {
    let service = random.pick(&SERVICES);
    let (prefix, head, actions) = service;
    let arn = |name: String| format!("{head}{name}");
    let action = |at: usize| format!("{prefix}:{}", actions[at]);
    let team = random.below(50);
    let first = random.below(10);
    let allow = |number: u8, actions: Vec<String>, resources: Vec<String>| Statement {
        sid: format!("P{k}S{number}"),
        deny: false,
        actions,
        resources,
        condition: None,
    };
    let exact = allow(
        0,
        (first..first + 3).map(action).collect(),
        vec![arn(format!("{name}-k{k}-a/file1")), arn(format!("{name}-k{k}-b/file2"))],
    );
    let prefixes = allow(
        1,
        vec![format!("{prefix}:Get*"), format!("{prefix}:List*")],
        vec![arn(format!("team{team:02}-k{k}-*"))],
    );
    let special = match k % 5 {
        0 => Statement {
            condition: Some(Condition::Region([REGION, "us-east-1"])),
            ..allow(2, vec![action(6), action(7)], vec![arn(format!("{name}-k{k}-regional-*"))])
        },
        1 => Statement {
            condition: Some(Condition::Network(random.byte())),
            ..allow(2, vec![action(7), action(8)], vec![arn(format!("{name}-k{k}-office-*"))])
        },
        2 => Statement {
            deny: true,
            ..allow(2, vec![format!("{prefix}:*")], vec![arn(format!("*protected-{name}*"))])
        },
        3 => allow(2, vec![action(5)], vec![arn(format!("shared-*-{name}/*/v1"))]),
        _ => allow(2, vec![format!("{prefix}:*")], vec![arn(format!("{name}-own-k{k}*"))]),
    };
    let beginning = match k % 5 {
        2 => format!("x-protected-{name}*"),
        _ => format!("{name}-k{k}-c-*"),
    };
    let wild = allow(
        3,
        vec![action(8), action(9)],
        vec![arn(beginning), arn(format!("*-k{k}-d/{name}/*"))],
    );
    Policy {
        name: format!("{name}-p{k}"),
        service,
        statements: vec![exact, prefixes, special, wild],
    }
}

/// Draws requests until one has the wanted answer.
fn request(
    random: &mut SplitMix,
    principals: &[Principal],
    chosen: usize,
    wanted: Answer,
) -> Request {
    let principal = &principals[chosen];
    loop {
        let mut policy = random.pick(&principal.policies);
        let mut statement = random.pick(&policy.statements);
        if wanted == Answer::ExplicitDeny {
            let each = principal.policies.iter();
            let denies: Vec<(&Policy, &Statement)> = each
                .flat_map(|policy| policy.statements.iter().map(move |one| (policy, one)))
                .filter(|(_, statement)| statement.deny)
                .collect();
            (policy, statement) = *random.pick(&denies);
        }
        let (prefix, head, actions) = policy.service;
        let mut action = random.pick(&statement.actions).clone();
        if let Some(beginning) = action.strip_suffix('*') {
            let all = actions.iter().map(|name| format!("{prefix}:{name}"));
            let fit: Vec<String> = all.filter(|name| name.starts_with(beginning)).collect();
            action = random.pick(&fit).clone();
        }
        let mut pattern = random.pick(&statement.resources).clone();
        if wanted == Answer::ExplicitDeny && random.below(2) == 1 {
            pattern = pattern.replace("*protected", "x-protected");
        }
        let mut resource = random.fill(&pattern);
        let region = *random.pick(&REGIONS);
        let mut octets = [10, random.byte(), random.byte(), random.byte()];
        if let (Some(Condition::Network(second)), Answer::Allowed) = (&statement.condition, wanted)
        {
            octets = [10, *second, random.byte(), random.byte()];
        }
        if wanted == Answer::ImplicitDeny {
            match random.below(3) {
                0 => action = format!("{prefix}:{}", random.pick(actions)),
                1 => {
                    let other = format!("{head}other-{}-*", random.below(1000));
                    resource = random.fill(&other);
                }
                _ => {}
            }
        }
        let address = Ipv4Addr::from(octets).to_string();
        let asked = Request {
            principal: chosen,
            action,
            resource,
            keys: Keys { region, address },
            expected: wanted,
        };
        if reference(principal, &asked) == wanted {
            return asked;
        }
    }
}

/// The answer that is right, found in the plainest way.
pub fn reference(principal: &Principal, request: &Request) -> Answer {
    let mut answer = Answer::ImplicitDeny;
    for statement in principal.policies.iter().flat_map(|policy| &policy.statements) {
        let fits = |patterns: &[String], text: &str| {
            patterns.iter().any(|pattern| matches(pattern.as_bytes(), text.as_bytes()))
        };
        let holds = match &statement.condition {
            None => true,
            Some(Condition::Region(regions)) => regions.contains(&request.keys.region),
            Some(Condition::Network(second)) => {
                request.keys.address.starts_with(&format!("10.{second}."))
            }
        };
        if fits(&statement.actions, &request.action)
            && fits(&statement.resources, &request.resource)
            && holds
        {
            if statement.deny {
                return Answer::ExplicitDeny;
            }
            answer = Answer::Allowed;
        }
    }
    answer
}

fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            matches(rest, text)
                || text.split_first().is_some_and(|(_, after)| matches(pattern, after))
        }
        ([one, pattern @ ..], [other, text @ ..]) => one == other && matches(pattern, text),
        _ => false,
    }
}
