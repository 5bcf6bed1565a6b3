//! Questions of auditors over one account with a long history: many users and roles, groups, managed policies,
//! and years of small changes. In this process, by the service's own functions, without the wire.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::figures::{Figure, Figures, Goal, Unit};
use crate::scratch::Invention;
use crate::{Extent, Outcome, ROUNDS, people};
use domesday::identity::change::{
    GroupCreated, InlinePolicyPut, MemberAdded, PolicyAttached, PolicyCreated, PolicyDetached,
    PolicyRef, RoleCreated, Tagged, Trust, UserCreated,
};
use domesday::identity::id::{IdKind, UniqueId};
use domesday::ledger::AccountId;
use domesday::projection::sealing::NameKind;
use domesday::projection::tables::ACCOUNTS;
use domesday::projection::view::ReadTables;
use domesday::projection::{Transaction, sealing};
use domesday::service::audit::{self, Question};
use domesday::service::caller::Caller;
use domesday::service::fault::Fault;
use domesday::service::founding::Founding;
use domesday::service::writer::{Act, Turn};
use domesday::service::{Service, origin};

/// Events of one commit.
const COMMIT: u64 = 2_000;
const GROUPS: u64 = 100;
const POLICIES: u64 = 200;

/// The quota of policies attached to one user or role.
const ATTACHED: usize = 10;

/// The account that is asked about.
struct Size {
    events: u64,
    users: u64,
    roles: u64,
}

impl Size {
    fn of(extent: &Extent) -> Self {
        match extent.ledgers.last() {
            Some(1_000_000..) => Size { events: 1_000_000, users: 10_000, roles: 5_000 },
            _ => Size { events: 20_000, users: 1_000, roles: 500 },
        }
    }
}

/// Who is there.
#[derive(Default)]
struct There {
    users: Vec<UniqueId>,
    roles: Vec<UniqueId>,
    groups: Vec<UniqueId>,
    policies: Vec<UniqueId>,
    /// What is attached to whom, the oldest first.
    attached: HashMap<UniqueId, VecDeque<PolicyRef>>,
}

impl There {
    /// Attaches a policy, the oldest one making room where the quota is reached.
    fn attach(
        &mut self,
        tx: &mut Transaction<'_>,
        owner: UniqueId,
        policy: PolicyRef,
    ) -> Result<(), Fault> {
        let has = self.attached.entry(owner.clone()).or_default();
        if has.contains(&policy) {
            return Ok(());
        }
        if has.len() >= ATTACHED
            && let Some(policy) = has.pop_front()
        {
            tx.record(PolicyDetached { owner: owner.clone(), policy })?;
        }
        has.push_back(policy.clone());
        Ok(tx.record(PolicyAttached { owner, policy })?)
    }
}

/// The figures of this part.
pub fn measure(extent: &Extent, figures: &mut Figures) -> Outcome<()> {
    let size = Size::of(extent);
    let folder = tempfile::tempdir()?;
    let service = people::open(&people::place(&folder)?)?;
    let founded = service.found(Founding::default(), "bench")?;
    let account = service.now().get(AccountId::SYSTEM, &ACCOUNTS, &founded.digits)?;
    let account = account.ok_or("the account was not founded")?;
    populate(&service, account, &founded.digits, &size)?;
    let mut caller = service.operator("bench", account)?;
    caller.digits = founded.digits;
    let middle = service.ledger().head().position / 2;
    let window = [format!("@{middle}"), format!("@{}", middle + size.events / 20)];
    let of = |number: u64| format!("user-{number}");
    let asked = [("action", "s3:GetObject"), ("resource", "arn:aws:s3:::team-7/x")];
    let mut add =
        |what: &str, goal: f64, name: &str, ask: &dyn Fn(u64) -> Vec<(String, String)>| {
            let mut millis = Vec::new();
            // The first round warms the caches.
            for round in 0..=ROUNDS as u64 {
                let began = Instant::now();
                let question = Question::parse(name, &ask(round))?;
                audit::run(&service, &caller, question, None)?;
                if round > 0 {
                    millis.push(began.elapsed().as_secs_f64() * 1e3);
                }
            }
            let Size { events, users, roles } = &size;
            figures.add(Figure {
                what: format!("{what}; {events} events, {users} users, {roles} roles"),
                ours: millis,
                floor: Vec::new(),
                unit: Unit::Millis,
                goal: Goal::AtMost(goal),
            });
            Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        };
    let pairs = |more: &[(&str, &str)]| -> Vec<(String, String)> {
        let all = asked.iter().chain(more);
        all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    // Another user each time.
    add("access of a user", 50.0, "access", &|round| {
        pairs(&[("principal", &of(round * 37 % size.users))])
    })?;
    add("who can", 1_000.0, "who-can", &|_| pairs(&[]))?;
    add("who can, in a twentieth of the history", 60_000.0, "who-can", &|_| {
        pairs(&[("from", &window[0]), ("to", &window[1])])
    })?;
    add("who can, with escalation", 60_000.0, "who-can", &|_| pairs(&[("escalation", "true")]))?;
    let between = |_| -> Vec<(String, String)> {
        let ends = [("from", &window[0]), ("to", &window[1])];
        ends.map(|(name, value)| (name.to_owned(), value.clone())).to_vec()
    };
    add("permission diff over a twentieth of the history", 2_000.0, "diff", &between)?;
    service.close();
    Ok(())
}

fn document(action: &str, number: u64) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":{action},"Resource":"arn:aws:s3:::team-{number}/*"}}]}}"#
    )
}

/// Makes everybody, one an event, and then changes this and that.
fn populate(service: &Arc<Service>, account: AccountId, digits: &str, size: &Size) -> Outcome<()> {
    let mut invention = Invention::new(7);
    let mut there = There::default();
    let founding = [GROUPS, POLICIES, size.users, size.roles];
    let mut done = 0;
    while done < size.events {
        let numbers = done..size.events.min(done + COMMIT);
        done = numbers.end;
        let digits = digits.to_owned();
        let (new, kept) = service.act(move |service, turn| {
            for number in numbers {
                event(service, turn, account, |tx| {
                    one(tx, &mut there, &mut invention, (number, &digits), &founding)
                })?;
            }
            Ok((there, invention))
        })?;
        (there, invention) = (new, kept);
    }
    Ok(())
}

/// Records an event of the operator's.
fn event(
    service: &Service,
    turn: &mut Turn<'_>,
    account: AccountId,
    body: impl FnOnce(&mut Transaction<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let operator: Caller = service.operator("bench", account)?;
    let act = Act { account, actor: operator.actor(), happened_at: None };
    turn.perform(&act, |tx| {
        body(tx)?;
        Ok(((), origin(tx, &operator, "Bench", UniqueId::root(), None)?))
    })
}

/// The changes of one event.
fn one(
    tx: &mut Transaction<'_>,
    there: &mut There,
    invention: &mut Invention,
    (number, digits): (u64, &str),
    [groups, policies, users, roles]: &[u64; 4],
) -> Result<(), Fault> {
    let mut pick = |all: &[UniqueId]| -> UniqueId {
        let at = usize::try_from(invention.below(all.len().max(1) as u64)).unwrap_or(0);
        all.get(at).cloned().unwrap_or_else(UniqueId::root)
    };
    let ends =
        [*groups, groups + policies, groups + policies + users, groups + policies + users + roles];
    if number < ends[0] {
        let group = tx.new_id(IdKind::Group)?;
        let called = format!("group-{number}");
        let (name, name_tag) =
            (tx.seal(&group, "name", &called)?, tx.name_tag(NameKind::Group, &called)?);
        tx.record(GroupCreated { group: group.clone(), path: "/".into(), name, name_tag })?;
        let document = tx.keep_content(document(r#""s3:List*""#, number).as_bytes());
        tx.record(InlinePolicyPut { owner: group.clone(), name: "own".into(), document })?;
        there.groups.push(group);
    } else if number < ends[1] {
        let policy = tx.new_id(IdKind::Policy)?;
        let called = format!("policy-{number}");
        let action = if number % 2 == 0 { r#""s3:Get*""# } else { r#"["ec2:*","s3:Put*"]"# };
        let document = tx.keep_content(document(action, number % 20).as_bytes());
        let name_tag = tx.name_tag(NameKind::Policy, &called)?;
        tx.record(PolicyCreated {
            policy: policy.clone(),
            path: "/".into(),
            name: called,
            name_tag,
            description: None,
            document,
        })?;
        there.policies.push(policy);
    } else if number < ends[2] {
        let user = tx.new_id(IdKind::User)?;
        let called = format!("user-{}", number - ends[1]);
        let (name, name_tag) =
            (tx.seal(&user, "name", &called)?, tx.name_tag(NameKind::User, &called)?);
        tx.record(UserCreated { user: user.clone(), path: "/".into(), name, name_tag })?;
        tx.record(MemberAdded { group: pick(&there.groups), user: user.clone() })?;
        there.users.push(user);
    } else if number < ends[3] {
        let role = tx.new_id(IdKind::Role)?;
        let called = format!("role-{}", number - ends[2]);
        let (name, name_tag) =
            (tx.seal(&role, "name", &called)?, tx.name_tag(NameKind::Role, &called)?);
        let trust = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{digits}:root"}},"Action":"sts:AssumeRole"}}]}}"#
        );
        let document = tx.keep_content(trust.as_bytes());
        tx.record(RoleCreated {
            role: role.clone(),
            path: "/".into(),
            name,
            name_tag,
            trust: Trust { document, principals: Vec::new() },
            description: None,
            max_session: 3_600,
        })?;
        let policy = PolicyRef(pick(&there.policies).to_string());
        there.attach(tx, role.clone(), policy)?;
        there.roles.push(role);
    } else {
        let user = pick(&there.users);
        let policy = PolicyRef(pick(&there.policies).to_string());
        match number % 10 {
            0 => there.attach(tx, user, policy)?,
            1 => {
                let has = there.attached.get_mut(&user).and_then(VecDeque::pop_front);
                if let Some(policy) = has {
                    tx.record(PolicyDetached { owner: user, policy })?;
                }
            }
            2 => {
                let text = document(r#"["s3:Get*","sts:AssumeRole"]"#, number % 50);
                let document = tx.keep_content(text.as_bytes());
                tx.record(InlinePolicyPut { owner: user, name: "own".into(), document })?;
            }
            3 => {
                let role = pick(&there.roles);
                there.attach(tx, role, policy)?;
            }
            _ => {
                let key = "team".to_owned();
                let field = sealing::tag_field(&key);
                let value = tx.seal(&user, &field, &format!("team-{}", number % 50))?;
                tx.record(Tagged { owner: user, tags: vec![(key, value)] })?;
            }
        }
    }
    Ok(())
}
