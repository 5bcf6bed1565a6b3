//! What AWS's services have: actions, resource types and condition keys, as facts.
//!
//! Nothing is decided by them: the evaluator knows no service, and one that is not in here works as well
//! as any. They serve who reads or writes policies: `lint` tells a misspelt action by them, and
//! [`expand`] says what `iam:Get*` stands for.
//!
//! The facts are a compressed text in the program (`tools/catalogue.py` says where it comes from and
//! describes its form), unpacked when something is first asked of it; a service is taken apart when it is
//! first asked for. Before that, the catalogue costs neither time nor memory.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::context::Context;
use super::pattern::{Glob, Syntax};

static PACKED: &[u8] = include_bytes!("../../fixtures/catalogue/services.txt.zlib");

/// Our own service, in the form of the others.
const OWN: &str = "\
S\tdomesday\tdomesday
T\texport\tarn:${Partition}:domesday::${Account}:export/${Kind}\t
T\tledger\tarn:${Partition}:domesday::${Account}:ledger\t
T\treport\tarn:${Partition}:domesday::${Account}:report/${Name}\t
T\tsubject\tarn:${Partition}:domesday::${Account}:subject/${Id}\t
A\tAdminister\tPermissions\t1\t
A\tErase\tWrite\t3\t
A\tEvaluate\tRead\t1\t
A\tExport\tRead\t0\t
A\tImport\tWrite\t1\t
A\tReadLedger\tRead\t1 2\t
A\tReview\tWrite\t1\t
A\tSearchAccess\tRead\t1\t
A\tTimeTravel\tRead\t1\t
";

/// What an action does, as AWS classes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccessLevel {
    /// Sees that things exist.
    List,
    /// Sees what is in them.
    Read,
    /// Makes, changes or removes things.
    Write,
    /// Changes tags only.
    Tagging,
    /// Changes who may do what.
    Permissions,
}

impl AccessLevel {
    /// Whether something is changed.
    pub fn changes(self) -> bool {
        !matches!(self, AccessLevel::List | AccessLevel::Read)
    }
}

/// The type of a condition key's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// A text.
    Text,
    /// An ARN.
    Arn,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A time.
    Date,
    /// An IP address.
    Address,
    /// Base64.
    Binary,
}

/// A condition key.
#[derive(Debug)]
pub struct ConditionKey {
    /// As AWS spells it; `${...}` stands for what varies, as in `aws:RequestTag/${TagKey}`.
    pub name: &'static str,
    /// What its values are.
    pub key_type: KeyType,
    /// Whether a request can carry several values.
    pub many: bool,
}

impl ConditionKey {
    /// Whether this is the key of that name, in any case.
    pub fn is(&self, name: &str) -> bool {
        let Some((before, rest)) = self.name.split_once("${") else {
            return self.name.eq_ignore_ascii_case(name);
        };
        let after = rest.rsplit_once('}').map_or("", |(_, after)| after);
        let (start, end) = (name.get(..before.len()), name.len().checked_sub(after.len()));
        name.len() > before.len() + after.len()
            && start.is_some_and(|start| start.eq_ignore_ascii_case(before))
            && end
                .and_then(|end| name.get(end..))
                .is_some_and(|end| end.eq_ignore_ascii_case(after))
    }
}

/// A type of resource.
#[derive(Debug)]
pub struct ResourceType {
    /// Its name within the service, such as `user`.
    pub name: &'static str,
    /// The forms of its ARN, with `${...}` for what varies.
    pub arns: Vec<&'static str>,
    /// The condition keys that a request on one carries.
    pub keys: Vec<&'static str>,
}

/// A type of resource that an action is on.
#[derive(Debug)]
pub struct Use {
    /// Its place among the service's [`Service::resources`].
    pub resource: usize,
    /// Whether every request names one.
    pub required: bool,
    /// The condition keys that a request on one carries besides.
    pub keys: Vec<&'static str>,
}

/// An action.
#[derive(Debug)]
pub struct Action {
    /// Without the service: `CreateUser`.
    pub name: &'static str,
    /// What it does.
    pub level: AccessLevel,
    /// What it is on; nothing for an action without resource-level permissions, which only a policy
    /// for `"*"` grants.
    pub uses: Vec<Use>,
    /// The condition keys that its requests carry, besides those of its resources and the global ones.
    pub keys: Vec<&'static str>,
}

/// A service.
#[derive(Debug)]
pub struct Service {
    /// What its actions begin with: `iam`.
    pub prefix: &'static str,
    /// What AWS calls it: `AWS Identity and Access Management`.
    pub name: &'static str,
    /// Its types of resources, by name.
    pub resources: Vec<ResourceType>,
    /// Its actions, by lower-case name.
    pub actions: Vec<Action>,
}

impl Service {
    /// An action by its name, in any case and without the service.
    pub fn action(&self, name: &str) -> Option<&Action> {
        let found =
            self.actions.binary_search_by(|action| ignoring_case(action.name, name)).ok()?;
        self.actions.get(found)
    }

    /// Whether requests for the action carry the condition key, which is spelled as in the catalogue.
    pub fn carries(&self, action: &Action, key: &str) -> bool {
        let among = |keys: &[&str]| keys.iter().any(|known| known.eq_ignore_ascii_case(key));
        among(&action.keys)
            || action.uses.iter().any(|used| {
                let resource = self.resources.get(used.resource);
                among(&used.keys) || resource.is_some_and(|resource| among(&resource.keys))
            })
    }
}

fn ignoring_case(one: &str, other: &str) -> Ordering {
    let lower = |byte: u8| byte.to_ascii_lowercase();
    one.bytes().map(lower).cmp(other.bytes().map(lower))
}

/// What the text says of a service, and the service taken apart.
struct Entry {
    name: &'static str,
    lines: &'static str,
    parsed: OnceLock<Service>,
}

/// The text, by service.
struct Catalogue {
    services: BTreeMap<&'static str, Entry>,
    /// Of all services, by lower-case name.
    keys: OnceLock<BTreeMap<String, ConditionKey>>,
}

fn catalogue() -> &'static Catalogue {
    static TEXT: OnceLock<String> = OnceLock::new();
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| {
        let text = TEXT.get_or_init(|| unpack(PACKED).unwrap_or_default());
        let blocks = [text.as_str(), OWN].into_iter().flat_map(|text| {
            let text = text.strip_prefix("S\t").unwrap_or(text);
            text.split("\nS\t").filter_map(|block| block.split_once('\n'))
        });
        let services = blocks.map(|(service, lines)| {
            let (prefix, name) = service.split_once('\t').unwrap_or((service, service));
            (prefix, Entry { name, lines, parsed: OnceLock::new() })
        });
        let services = services.collect();
        Catalogue { services, keys: OnceLock::new() }
    })
}

/// The text of a zlib stream, all of it in memory.
fn unpack(packed: &[u8]) -> Option<String> {
    let mut inflate = flate2::Decompress::new(true);
    let mut text = Vec::new();
    loop {
        text.reserve(packed.len().max(4096));
        let from = usize::try_from(inflate.total_in()).ok()?;
        let before = inflate.total_out();
        let rest = packed.get(from..)?;
        let status = inflate.decompress_vec(rest, &mut text, flate2::FlushDecompress::None).ok()?;
        match status {
            flate2::Status::StreamEnd => return String::from_utf8(text).ok(),
            _ if inflate.total_out() == before => return None,
            _ => {}
        }
    }
}

/// The prefixes of all services, in alphabetical order.
pub fn prefixes() -> impl Iterator<Item = &'static str> {
    catalogue().services.keys().copied().filter(|prefix| *prefix != GLOBAL)
}

/// Where the global condition keys stand.
const GLOBAL: &str = "aws";

/// A service by the prefix of its actions, in any case.
pub fn service(prefix: &str) -> Option<&'static Service> {
    let services = &catalogue().services;
    let lower = prefix.to_ascii_lowercase();
    let (prefix, Entry { name, lines, parsed }) = services.get_key_value(lower.as_str())?;
    (*prefix != GLOBAL).then(|| parsed.get_or_init(|| parse(prefix, name, lines)))
}

/// An action with its service.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    /// The service.
    pub service: &'static Service,
    /// The action.
    pub action: &'static Action,
}

/// The actions that a pattern such as `iam:Get*`, `*` or `s3:GetObject` stands for, in any case; none for
/// services that are not known.
pub fn expand(pattern: &str) -> Vec<Named> {
    let all = |service: &'static Service, glob: &Glob| -> Vec<Named> {
        let fits = |action: &&Action| {
            glob.matches(&action.name.to_ascii_lowercase(), &Context::new()).holds
        };
        service.actions.iter().filter(fits).map(|action| Named { service, action }).collect()
    };
    let (prefix, name) = pattern.split_once(':').unwrap_or((pattern, "*"));
    let glob =
        Glob::compile(&name.to_ascii_lowercase(), Syntax { wildcards: true, variables: false });
    match (prefix, service(prefix)) {
        ("*", _) => prefixes().filter_map(service).flat_map(|one| all(one, &glob)).collect(),
        (_, Some(service)) if name.contains(['*', '?']) => all(service, &glob),
        (_, Some(service)) => {
            service.action(name).map(|action| Named { service, action }).into_iter().collect()
        }
        (_, None) => Vec::new(),
    }
}

/// A condition key of whatever service by its name, in any case.
pub fn condition_key(name: &str) -> Option<&'static ConditionKey> {
    let keys = all_keys();
    let exact = keys.get(&name.to_ascii_lowercase());
    exact.or_else(|| keys.values().find(|key| key.name.contains("${") && key.is(name)))
}

/// The names of all condition keys.
pub fn condition_keys() -> impl Iterator<Item = &'static ConditionKey> {
    all_keys().values()
}

/// Whether every request can carry the key, whatever is asked for. Those of tags are the service's.
pub fn is_global(key: &ConditionKey) -> bool {
    const OF_TAGS: [&str; 3] =
        ["aws:RequestTag/${TagKey}", "aws:ResourceTag/${TagKey}", "aws:TagKeys"];
    let listed = || {
        catalogue()
            .services
            .get(GLOBAL)?
            .lines
            .lines()
            .filter_map(key_line)
            .find(|global| global.name.eq_ignore_ascii_case(key.name))
    };
    !OF_TAGS.contains(&key.name) && listed().is_some()
}

fn all_keys() -> &'static BTreeMap<String, ConditionKey> {
    let catalogue = catalogue();
    catalogue.keys.get_or_init(|| {
        let lines = catalogue.services.values().flat_map(|entry| entry.lines.lines());
        lines.filter_map(key_line).map(|key| (key.name.to_ascii_lowercase(), key)).collect()
    })
}

fn key_line(line: &'static str) -> Option<ConditionKey> {
    let (name, type_name) = line.strip_prefix("K\t")?.split_once('\t')?;
    let single = type_name.trim_start_matches("ArrayOf");
    let key_type = match single {
        "ARN" => KeyType::Arn,
        "Bool" => KeyType::Bool,
        "Numeric" => KeyType::Number,
        "Date" => KeyType::Date,
        "IPAddress" => KeyType::Address,
        "Binary" => KeyType::Binary,
        _ => KeyType::Text,
    };
    Some(ConditionKey { name, key_type, many: single != type_name })
}

fn parse(prefix: &'static str, name: &'static str, lines: &'static str) -> Service {
    let keys: Vec<&str> =
        lines.lines().filter_map(key_line).map(|ConditionKey { name, .. }| name).collect();
    let listed = |list: &'static str, separator: char| -> Vec<&'static str> {
        let numbers = list.split(separator).filter_map(|number| number.parse::<usize>().ok());
        numbers.filter_map(|number| keys.get(number).copied()).collect()
    };
    let mut service = Service { prefix, name, resources: Vec::new(), actions: Vec::new() };
    for line in lines.lines() {
        let mut fields = line.split('\t');
        let kind = fields.next();
        let mut field = || fields.next().unwrap_or_default();
        match kind {
            Some("T") => service.resources.push(ResourceType {
                name: field(),
                arns: field().split_whitespace().collect(),
                keys: listed(field(), ' '),
            }),
            Some("A") => service.actions.push(Action {
                name: field(),
                level: match field() {
                    "List" => AccessLevel::List,
                    "Read" => AccessLevel::Read,
                    "Tagging" => AccessLevel::Tagging,
                    "Permissions" => AccessLevel::Permissions,
                    _ => AccessLevel::Write,
                },
                uses: field()
                    .split_whitespace()
                    .filter_map(|used| {
                        let (used, keys) = used.split_once(':').unwrap_or((used, ""));
                        let number = used.trim_end_matches('!');
                        let required = number != used;
                        let resource = number.parse().ok()?;
                        Some(Use { resource, required, keys: listed(keys, ',') })
                    })
                    .collect(),
                keys: listed(field(), ' '),
            }),
            _ => {}
        }
    }
    service
}

/// The name that a misspelt one was most likely meant to be: the nearest, ignoring case, if it is near
/// enough to be called a slip.
pub fn nearest<'n>(wrong: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    const LONGEST: usize = 128;
    if wrong.len() > LONGEST {
        return None;
    }
    let wrong = wrong.to_ascii_lowercase();
    let slips = match wrong.len() {
        0..=2 => return None,
        3..=5 => 1,
        6..=11 => 2,
        _ => 3,
    };
    let near = |name: &&str| name.len() <= LONGEST && name.len().abs_diff(wrong.len()) <= slips;
    names
        .filter(near)
        .map(|name| (strsim::osa_distance(&wrong, &name.to_ascii_lowercase()), name))
        .filter(|(distance, _)| *distance <= slips)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_of_it_is_read() {
        let manifest: serde_json::Value =
            serde_json::from_str(include_str!("../../fixtures/catalogue/manifest.json")).unwrap();
        // `aws`, which the manifest counts, has keys only and is no service; our own is one more.
        let services: Vec<_> = prefixes().filter_map(service).collect();
        assert_eq!(services.len() as u64, manifest["services"].as_u64().unwrap());
        let others = || services.iter().filter(|service| service.prefix != "domesday");
        let actions: usize = others().map(|service| service.actions.len()).sum();
        let resources: usize = others().map(|service| service.resources.len()).sum();
        assert_eq!(actions as u64, manifest["actions"].as_u64().unwrap());
        assert_eq!(resources as u64, manifest["resource_types"].as_u64().unwrap());
        for service in services {
            for pair in service.actions.windows(2) {
                assert_eq!(ignoring_case(pair[0].name, pair[1].name), Ordering::Less);
            }
            for action in &service.actions {
                assert!(action.uses.iter().all(|used| used.resource < service.resources.len()));
                assert!(std::ptr::eq(service.action(action.name).unwrap(), action));
            }
        }
    }

    #[test]
    fn an_action_has_level_resources_and_keys() {
        let iam = service("IAM").unwrap();
        let create = iam.action("createuser").unwrap();
        assert_eq!((create.name, create.level), ("CreateUser", AccessLevel::Write));
        assert_eq!(service("s3").unwrap().name, "Amazon S3");
        let [used] = create.uses.as_slice() else { panic!("{create:?}") };
        let user = &iam.resources[used.resource];
        assert_eq!((user.name, used.required), ("user", true));
        assert_eq!(user.arns, ["arn:${Partition}:iam::${Account}:user/${UserNameWithPath}"]);
        assert!(iam.carries(create, "iam:PermissionsBoundary"));
        assert!(!iam.carries(create, "iam:PassedToService"));
        assert_eq!(iam.action("AttachUserPolicy").unwrap().level, AccessLevel::Permissions);
        assert_eq!(iam.action("TagUser").unwrap().level, AccessLevel::Tagging);
        assert!(iam.action("ListUsers").unwrap().uses.is_empty(), "no resource-level permissions");
        let ec2 = service("ec2").unwrap();
        let run = ec2.action("RunInstances").unwrap();
        assert!(ec2.carries(run, "ec2:InstanceType"), "a key of one of its resources");
    }

    #[test]
    fn patterns_stand_for_actions() {
        let names = |pattern| -> Vec<&str> {
            expand(pattern).iter().map(|named| named.action.name).collect()
        };
        assert_eq!(names("sts:*Root"), ["AssumeRoot"]);
        assert_eq!(names("STS:assumerole"), ["AssumeRole"]);
        let policies = [
            "GetAccountPasswordPolicy",
            "GetContextKeysForCustomPolicy",
            "GetContextKeysForPrincipalPolicy",
            "GetGroupPolicy",
            "GetPolicy",
            "GetRolePolicy",
            "GetUserPolicy",
        ];
        assert_eq!(names("iam:Get*Polic?"), policies);
        assert!(names("iam:Got*").is_empty() && names("nosuch:*").is_empty());
        assert!(expand("*").len() > 20_000);
    }

    #[test]
    fn keys_are_found_in_any_case_and_with_their_open_part() {
        let tags = condition_key("AWS:tagkeys").unwrap();
        assert_eq!((tags.name, tags.key_type, tags.many), ("aws:TagKeys", KeyType::Text, true));
        assert!(!is_global(tags));
        let tag = condition_key("aws:requesttag/Cost Centre").unwrap();
        assert_eq!(tag.name, "aws:RequestTag/${TagKey}");
        assert!(condition_key("aws:RequestTag/").is_none());
        assert!(is_global(condition_key("aws:SourceIp").unwrap()));
        assert_eq!(condition_key("aws:SourceIp").unwrap().key_type, KeyType::Address);
        assert!(condition_key("token.actions.githubusercontent.com:repository").is_some());
        assert!(condition_key("aws:SourceIpp").is_none());
    }

    #[test]
    fn a_slip_is_told_from_another_word() {
        let iam = || service("iam").unwrap().actions.iter().map(|action| action.name);
        assert_eq!(nearest("GetUsr", iam()), Some("GetUser"));
        assert_eq!(nearest("creatuser", iam()), Some("CreateUser"));
        assert_eq!(nearest("LaunchRocket", iam()), None);
        assert_eq!(nearest(&"x".repeat(500), iam()), None);
    }

    #[test]
    fn a_damaged_stream_is_nothing() {
        assert!(unpack(&PACKED[..1000]).is_none() && unpack(b"").is_none());
        let mut flipped = PACKED.to_vec();
        flipped[5000] ^= 1;
        assert!(unpack(&flipped).is_none());
    }
}
