//! Who calls, whom a policy names, and how the two meet.
//!
//! How a resource policy names its caller decides what its Allow is worth ([`Reach`]): naming the
//! account only delegates to it, naming a role overrides the role's identity policies, naming the
//! session or the user itself overrides boundaries and session policies too.
//!
//! User and role ARNs are resolved to unique ids when a policy is saved ([`Binding`]), so that a
//! user deleted and made again under the same name does not inherit trust. A policy that was parsed
//! without a resolution compares ARNs; a role's path is then ignored, because names are unique in
//! an account and a session's ARN does not show the path.

use super::arn::Arn;

/// The caller of a request, as authentication established it.
///
/// Accounts are 12 digits; ids are unique ids (`AIDA...`, `AROA...`), empty where the question is
/// asked about a bare ARN. A session of GetSessionToken is the user itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal<'a> {
    /// The root user of an account.
    Root {
        /// The account.
        account: &'a str,
    },
    /// An IAM user, with long-term keys, a console session or GetSessionToken credentials.
    User {
        /// The user's account.
        account: &'a str,
        /// The user's unique id.
        id: &'a str,
        /// The user's ARN.
        arn: &'a str,
    },
    /// A session of a role.
    RoleSession {
        /// The role's account.
        account: &'a str,
        /// The role's unique id.
        role_id: &'a str,
        /// The ARN of the role, not of the session.
        role_arn: &'a str,
        /// The session's ARN, `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
        session_arn: &'a str,
    },
    /// A session that GetFederationToken made.
    FederatedUser {
        /// The account.
        account: &'a str,
        /// The unique id of the user who began the session; the account where root did.
        user_id: &'a str,
        /// That user's ARN.
        user_arn: &'a str,
        /// The session's ARN, `arn:aws:sts::ACCOUNT:federated-user/NAME`.
        arn: &'a str,
    },
    /// An AWS service acting for itself, such as `ec2.amazonaws.com`.
    Service(&'a str),
    /// Somebody whom an identity provider vouches for (AssumeRoleWithSAML, ...WithWebIdentity): the
    /// provider's ARN, or its host name for the built-in ones.
    Federated(&'a str),
    /// Nobody in particular.
    Anonymous,
}

impl<'a> Principal<'a> {
    /// The account the caller belongs to; services, federated and anonymous callers have none.
    pub fn account(&self) -> Option<&'a str> {
        match *self {
            Principal::Root { account }
            | Principal::User { account, .. }
            | Principal::RoleSession { account, .. }
            | Principal::FederatedUser { account, .. } => Some(account),
            Principal::Service(_) | Principal::Federated(_) | Principal::Anonymous => None,
        }
    }

    /// Root, or a federated session that root began: everything is allowed unless denied.
    pub(super) fn is_root(&self) -> bool {
        match *self {
            Principal::Root { .. } => true,
            Principal::FederatedUser { account, user_id, .. } => user_id == account,
            _ => false,
        }
    }
}

/// What a saved user or role ARN stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// The unique id it had when the policy was saved.
    Id(String),
    /// Nobody any more.
    Gone,
}

/// How directly a policy names the caller; each also has the force of the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// The caller's account: the account's own policies must allow as well.
    Account,
    /// The role of a session, or the user behind a federated session: overrides a missing Allow in
    /// identity policies.
    Entity,
    /// The caller itself, or everyone: overrides a missing Allow in boundaries and sessions too.
    Direct,
}

/// A user or role ARN and its resolution.
#[derive(Debug)]
pub(super) struct Named {
    pub text: Box<str>,
    pub binding: Option<Binding>,
}

impl Named {
    fn is(&self, id: &str, same_text: impl FnOnce(&str) -> bool) -> bool {
        match &self.binding {
            Some(Binding::Id(bound)) => !id.is_empty() && bound == id,
            Some(Binding::Gone) => false,
            None => same_text(&self.text),
        }
    }

    fn is_user(&self, id: &str, arn: &str) -> bool {
        self.is(id, |text| text == arn)
    }

    fn is_role(&self, id: &str, arn: &str) -> bool {
        self.is(id, |text| role_name(text).is_some() && role_name(text) == role_name(arn))
    }
}

/// Partition, account and name of a role ARN.
fn role_name(arn: &str) -> Option<(&str, &str, &str)> {
    let Arn { fields: [_, partition, "iam", "", account, resource], .. } = Arn::parse(arn)? else {
        return None;
    };
    let name = resource.strip_prefix("role/")?.rsplit('/').next()?;
    Some((partition, account, name))
}

/// One entry of a `Principal` element.
#[derive(Debug)]
pub(super) enum Entry {
    Everyone,
    Account(Box<str>),
    User(Named),
    Role(Named),
    /// An assumed-role or federated-user session ARN.
    Session(Box<str>),
    UniqueId(Box<str>),
    Service(Box<str>),
    Federated(Box<str>),
    /// Well-formed, but nobody that calls this service, such as a canonical user id.
    Nobody,
}

/// The member of `Principal` an entry stands under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Everyone,
    Aws,
    Service,
    Federated,
    CanonicalUser,
}

impl Scheme {
    pub fn parse(key: &str) -> Option<Scheme> {
        match key {
            "AWS" => Some(Scheme::Aws),
            "Service" => Some(Scheme::Service),
            "Federated" => Some(Scheme::Federated),
            "CanonicalUser" => Some(Scheme::CanonicalUser),
            _ => None,
        }
    }

    /// The key, as AWS quotes it in errors.
    pub fn key(self) -> &'static str {
        match self {
            Scheme::Everyone | Scheme::Aws => "AWS",
            Scheme::Service => "Service",
            Scheme::Federated => "Federated",
            Scheme::CanonicalUser => "CanonicalUser",
        }
    }
}

/// Whether the text is an account id.
pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Entry {
    /// `None` for what can name no principal, such as a partial wildcard.
    pub fn parse(
        scheme: Scheme,
        text: &str,
        resolve: &dyn Fn(&str) -> Option<Binding>,
    ) -> Option<Entry> {
        let named = |text: &str| Named { text: text.into(), binding: resolve(text) };
        match scheme {
            Scheme::Everyone => Some(Entry::Everyone),
            Scheme::Aws if text == "*" => Some(Entry::Everyone),
            Scheme::Aws if is_account(text) => Some(Entry::Account(text.into())),
            Scheme::Aws if is_unique_id(text) => Some(Entry::UniqueId(text.into())),
            Scheme::Aws => {
                let Arn { fields: [_, _, service, region, account, resource], .. } =
                    Arn::parse(text)?;
                let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
                let plain = !text.contains(['*', '?']) && region.is_empty() && is_account(account);
                match (service, kind) {
                    _ if !plain => None,
                    ("iam", "root") if resource == "root" => Some(Entry::Account(account.into())),
                    ("iam", "user") if !name.is_empty() => Some(Entry::User(named(text))),
                    ("iam", "role") if !name.is_empty() => Some(Entry::Role(named(text))),
                    ("sts", "assumed-role") if name.split('/').count() == 2 => {
                        Some(Entry::Session(text.into()))
                    }
                    ("sts", "federated-user") if !name.is_empty() => {
                        Some(Entry::Session(text.into()))
                    }
                    _ => None,
                }
            }
            Scheme::Service => is_host(text).then(|| Entry::Service(text.into())),
            Scheme::Federated => {
                let provider = Arn::parse(text).is_some_and(|arn| {
                    let [_, _, service, _, account, resource] = arn.fields;
                    let kind = resource.split_once('/').map(|(kind, _)| kind);
                    service == "iam"
                        && is_account(account)
                        && matches!(kind, Some("saml-provider" | "oidc-provider"))
                        && !text.contains(['*', '?'])
                });
                (provider || is_host(text)).then(|| Entry::Federated(text.into()))
            }
            Scheme::CanonicalUser => Some(Entry::Nobody),
        }
    }

    /// How this entry names the caller, if it does.
    fn reach(&self, caller: &Principal<'_>) -> Option<Reach> {
        let (names, reach) = match (self, caller) {
            (Entry::Everyone, _) => (true, Reach::Direct),
            (Entry::Account(named), caller) => (caller.account() == Some(&**named), Reach::Account),
            (Entry::User(named), Principal::User { id, arn, .. }) => {
                (named.is_user(id, arn), Reach::Direct)
            }
            (Entry::User(named), Principal::FederatedUser { user_id, user_arn, .. }) => {
                (named.is_user(user_id, user_arn), Reach::Entity)
            }
            (Entry::Role(named), Principal::RoleSession { role_id, role_arn, .. }) => {
                (named.is_role(role_id, role_arn), Reach::Entity)
            }
            (Entry::Session(arn), Principal::RoleSession { session_arn, .. }) => {
                (**arn == **session_arn, Reach::Direct)
            }
            (Entry::Session(named), Principal::FederatedUser { arn, .. }) => {
                (**named == **arn, Reach::Direct)
            }
            (Entry::UniqueId(named), Principal::User { id, .. }) => {
                (**named == **id, Reach::Direct)
            }
            (Entry::UniqueId(named), Principal::RoleSession { role_id: id, .. })
            | (Entry::UniqueId(named), Principal::FederatedUser { user_id: id, .. }) => {
                (**named == **id, Reach::Entity)
            }
            (Entry::Service(named), Principal::Service(name)) => {
                (named.eq_ignore_ascii_case(name), Reach::Direct)
            }
            (Entry::Federated(named), Principal::Federated(provider)) => {
                (**named == **provider, Reach::Direct)
            }
            _ => (false, Reach::Account),
        };
        names.then_some(reach)
    }
}

fn is_unique_id(text: &str) -> bool {
    text.len() >= 16
        && (text.starts_with("AIDA") || text.starts_with("AROA"))
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

fn is_host(text: &str) -> bool {
    text.contains('.')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
}

/// The `Principal` or `NotPrincipal` of a statement.
#[derive(Debug)]
pub(super) enum Principals {
    /// None was written: whoever the policy is attached to.
    Unnamed,
    Named(Box<[Entry]>),
    AllBut(Box<[Entry]>),
}

impl Principals {
    pub fn entries(&self) -> &[Entry] {
        match self {
            Principals::Unnamed => &[],
            Principals::Named(entries) | Principals::AllBut(entries) => entries,
        }
    }

    /// Whom it names as text, for somebody who compares them: `*`, accounts by their numbers, users and roles by ARN
    /// and the unique id that this was bound to; `all but` before those of a `NotPrincipal`.
    pub fn written(&self) -> Vec<String> {
        let text = |entry: &Entry| match entry {
            Entry::Everyone => "*".to_owned(),
            Entry::Account(digits) => format!("account {digits}"),
            Entry::User(Named { text, binding }) | Entry::Role(Named { text, binding }) => {
                match binding {
                    Some(Binding::Id(id)) => format!("{text} ({id})"),
                    _ => text.to_string(),
                }
            }
            Entry::Session(text)
            | Entry::UniqueId(text)
            | Entry::Service(text)
            | Entry::Federated(text) => text.to_string(),
            Entry::Nobody => "nobody".to_owned(),
        };
        let mut written: Vec<String> = self.entries().iter().map(text).collect();
        written.sort();
        if matches!(self, Principals::AllBut(_)) {
            written.insert(0, "all but".to_owned());
        }
        written
    }

    /// How a statement that grants names the caller.
    ///
    /// `NotPrincipal` grants to those whom no entry names at any level: whoever's account is
    /// listed is left out together with the account.
    pub fn grant(&self, caller: &Principal<'_>) -> Option<Reach> {
        match self {
            Principals::Unnamed => None,
            Principals::Named(entries) => {
                entries.iter().filter_map(|entry| entry.reach(caller)).max()
            }
            Principals::AllBut(entries) => {
                entries.iter().all(|entry| entry.reach(caller).is_none()).then_some(Reach::Direct)
            }
        }
    }

    /// Whether a statement that denies applies to the caller.
    ///
    /// `NotPrincipal` spares only a caller who is listed at every level it acts on: account and
    /// user; account, role and session. With a permissions boundary it spares nobody.
    pub fn denies(&self, caller: &Principal<'_>, bounded: bool) -> bool {
        match self {
            Principals::Unnamed => false,
            Principals::Named(entries) => entries.iter().any(|entry| entry.reach(caller).is_some()),
            Principals::AllBut(_) if bounded => true,
            Principals::AllBut(entries) => {
                let listed = |reach| entries.iter().any(|entry| entry.reach(caller) == Some(reach));
                let everyone = entries.iter().any(|entry| matches!(entry, Entry::Everyone));
                let spared = match caller {
                    Principal::Root { .. } => listed(Reach::Account),
                    Principal::User { .. } => listed(Reach::Account) && listed(Reach::Direct),
                    Principal::RoleSession { .. } | Principal::FederatedUser { .. } => {
                        listed(Reach::Account)
                            && (listed(Reach::Entity) || caller.is_root())
                            && listed(Reach::Direct)
                    }
                    Principal::Service(_) | Principal::Federated(_) => listed(Reach::Direct),
                    Principal::Anonymous => false,
                };
                !everyone && !spared
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Principal<'_> = Principal::User {
        account: "111122223333",
        id: "AIDAALICE00000000000",
        arn: "arn:aws:iam::111122223333:user/alice",
    };
    const SESSION: Principal<'_> = Principal::RoleSession {
        account: "111122223333",
        role_id: "AROADEPLOY0000000000",
        role_arn: "arn:aws:iam::111122223333:role/ci/deploy",
        session_arn: "arn:aws:sts::111122223333:assumed-role/deploy/one",
    };

    fn entry(text: &str) -> Option<Entry> {
        Entry::parse(Scheme::Aws, text, &|_| None)
    }

    fn reach(text: &str, caller: &Principal<'_>) -> Option<Reach> {
        entry(text).unwrap_or_else(|| panic!("{text}")).reach(caller)
    }

    #[test]
    fn entries_name_callers_at_their_level() {
        for (text, user, session) in [
            ("*", Some(Reach::Direct), Some(Reach::Direct)),
            ("111122223333", Some(Reach::Account), Some(Reach::Account)),
            ("arn:aws:iam::111122223333:root", Some(Reach::Account), Some(Reach::Account)),
            ("999922223333", None, None),
            ("arn:aws:iam::111122223333:user/alice", Some(Reach::Direct), None),
            ("arn:aws:iam::111122223333:user/Alice", None, None),
            ("AIDAALICE00000000000", Some(Reach::Direct), None),
            ("AROADEPLOY0000000000", None, Some(Reach::Entity)),
            ("arn:aws:iam::111122223333:role/ci/deploy", None, Some(Reach::Entity)),
            ("arn:aws:iam::111122223333:role/deploy", None, Some(Reach::Entity)),
            ("arn:aws:iam::999922223333:role/deploy", None, None),
            ("arn:aws:sts::111122223333:assumed-role/deploy/one", None, Some(Reach::Direct)),
            ("arn:aws:sts::111122223333:assumed-role/deploy/two", None, None),
        ] {
            assert_eq!(reach(text, &USER), user, "{text}");
            assert_eq!(reach(text, &SESSION), session, "{text}");
        }
    }

    #[test]
    fn partial_wildcards_and_groups_are_no_principals() {
        for text in [
            "",
            "alice",
            "arn:aws:iam::111122223333:user/*",
            "arn:aws:iam::*:root",
            "arn:aws:iam::111122223333:group/g",
            "arn:aws:iam::1:root",
            "arn:aws:s3:::b",
            "arn:aws:sts::111122223333:assumed-role/deploy",
            "11112222333",
        ] {
            assert!(entry(text).is_none(), "{text}");
        }
        assert!(Entry::parse(Scheme::Service, "*", &|_| None).is_none());
        assert!(Entry::parse(Scheme::Federated, "*", &|_| None).is_none());
    }

    #[test]
    fn a_user_made_again_is_somebody_else() {
        let arn = "arn:aws:iam::111122223333:user/alice";
        let saved = |id: &str| {
            let id = id.to_owned();
            Entry::parse(Scheme::Aws, arn, &|_| Some(Binding::Id(id.clone()))).unwrap()
        };
        assert_eq!(saved("AIDAALICE00000000000").reach(&USER), Some(Reach::Direct));
        assert_eq!(saved("AIDAALICEBEFORE00000").reach(&USER), None);
        let gone = Entry::parse(Scheme::Aws, arn, &|_| Some(Binding::Gone)).unwrap();
        assert_eq!(gone.reach(&USER), None);
        let nameless = Principal::User { account: "111122223333", id: "", arn };
        assert_eq!(saved("").reach(&nameless), None);
    }

    #[test]
    fn not_principal_denies_unless_every_level_is_listed() {
        let but = |texts: &[&str]| {
            Principals::AllBut(texts.iter().filter_map(|text| entry(text)).collect())
        };
        let account = "arn:aws:iam::111122223333:root";
        let role = "arn:aws:iam::111122223333:role/ci/deploy";
        let session = "arn:aws:sts::111122223333:assumed-role/deploy/one";
        assert!(but(&[role, session]).denies(&SESSION, false));
        assert!(but(&[account, role]).denies(&SESSION, false));
        assert!(!but(&[account, role, session]).denies(&SESSION, false));
        assert!(but(&[account, role, session]).denies(&SESSION, true));
        assert!(but(&[account]).denies(&USER, false));
        assert!(!but(&[account, "arn:aws:iam::111122223333:user/alice"]).denies(&USER, false));
        assert!(but(&[account]).denies(&Principal::Anonymous, false));
        assert_eq!(but(&[account]).grant(&USER), None);
        assert_eq!(but(&[role]).grant(&USER), Some(Reach::Direct));
    }
}
