//! When could a principal do something: intervals, each bounded by the event or the condition on the time that
//! opened and closed it.
//!
//! A name stands for every id that bore it; each id is looked at along the account's [`mod@line`], only at the
//! events that touch what it is judged by. What comes out are [`span`]s: allowed for certain, or *conditional*
//! on context that nobody gave, such as the address or a second factor; between them it could not. The time of
//! a request is known, so that conditions on it bound intervals as events do.
//!
//! Beside what the principal could by itself stands what it could as a role ([`through`]), where it could not
//! by itself. [`everybody`] asks the same of all principals. How each interval is shown, with who did it: [`shown`].

pub mod everybody;
pub mod line;
pub mod shown;
pub mod span;
pub mod through;

use serde_json::{Map, Value, json};

use self::line::{Asked, Line};
use self::span::Span;
use self::through::{Member, Search, Way};
use super::names;
use crate::identity::arn;
use crate::identity::id::{IdKind, UniqueId};
use crate::ledger::AccountId;
use crate::projection::directory::Directory;
use crate::projection::{History, View};
use crate::service::Service;
use crate::service::fault::Fault;
use crate::service::moment::Range;
use crate::service::supposed::Supposed;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Who: `alice`, `role/deploy`, an ARN, an id, `root`.
    pub principal: String,
    /// `iam:CreateUser`.
    pub action: String,
    /// An ARN, or `*`.
    pub resource: String,
    /// Condition keys and values that are known; a key given twice has both values.
    pub context: Vec<(String, String)>,
    /// Only intervals that touch this.
    pub range: Range,
}

/// Whether a span touches a range.
pub fn touches(span: &Span, range: &Range) -> bool {
    let to = span.to.as_ref().map(|to| to.point);
    let starts = range.from.is_none_or(|from| {
        from.time.is_none_or(|time| to.is_none_or(|to| to.at > time))
            && from.position.is_none_or(|first| to.is_none_or(|to| to.position > first))
    });
    let point = span.from.point;
    let ends = range.to.is_none_or(|to| {
        to.time.is_none_or(|time| point.at < time)
            && to.position.is_none_or(|last| point.position <= last)
    });
    starts && ends
}

/// Answers.
///
/// # Errors
/// Unknown and ambiguous names, groups, and whatever keeps the ledger from being read.
pub fn access(
    service: &Service,
    account: AccountId,
    view: &View,
    ask: &Ask,
) -> Result<Value, Fault> {
    super::can::check_action(&ask.action)?;
    let history = History::new(view);
    let line = Line::new(service, &history, account)?;
    let asked =
        Asked { action: &ask.action, resource: &ask.resource, given: ask.context.as_slice() };
    let counts = |span: &Span| touches(span, &ask.range);
    let (mut principals, mut intervals, mut through) = (Vec::new(), Vec::new(), Vec::new());
    for member in members(&line, &ask.principal)? {
        principals.extend(member.newest().map(|newest| who(&member, newest)));
        let mut all = through::reachable(&line, &member)?;
        all.insert(0, member);
        let ways = Search::run(&line, &all, asked, &counts)?;
        let mut ways = ways.into_iter().next().unwrap_or_default();
        ways.sort_by_key(|way| (way.span.from.point, way.via.len()));
        for way in &ways {
            let into = if way.via.is_empty() { &mut intervals } else { &mut through };
            into.push(interval(&line, &all, way, asked)?);
        }
    }
    Ok(json!({
        "action": ask.action,
        "resource": ask.resource,
        "position": view.cut().position,
        "known_since": line.baseline().map(|point| point.at.to_precise()),
        "from": ask.range.from.map(|from| from.to_string()),
        "to": ask.range.to.map(|to| to.to_string()),
        "principals": principals,
        "intervals": intervals,
        "through_roles": through,
    }))
}

/// Everybody that a name stands for, and who was a principal.
fn members(line: &Line<'_>, text: &str) -> Result<Vec<Member>, Fault> {
    let view = line.history.view();
    let digits = Directory::new(view, line.account).digits()?;
    if text == "root" || text == arn::root(&digits) {
        let id = UniqueId::root();
        let epochs = line.epochs(&id)?;
        return Ok(vec![Member::new(id, epochs, Vec::new())]);
    }
    let mut members = Vec::new();
    let mut kinds = Vec::new();
    for id in names::all_ids(view, line.account, text)? {
        let epochs = match id.kind() {
            Some(IdKind::User | IdKind::Role) => line.epochs(&id)?,
            Some(IdKind::Group) => {
                kinds.push("group");
                continue;
            }
            _ => continue,
        };
        let member = Member::new(id, epochs, Vec::new());
        if let Some(newest) = member.newest() {
            kinds.push(if newest.called().starts_with("user") { "user" } else { "role" });
            members.push(member);
        }
    }
    kinds.sort_unstable();
    kinds.dedup();
    match kinds.as_slice() {
        [] => Err(Fault::new(
            "NoSuchEntity",
            404,
            format!("No user or role was ever called {text:?}."),
        )),
        ["group"] => Err(Fault::validation("A group is no principal: ask of its members.")),
        [_] => {
            members.sort_by_key(Member::since);
            Ok(members)
        }
        kinds => {
            let choices: Vec<String> = kinds.iter().map(|kind| format!("{kind}/{text}")).collect();
            Err(Fault::validation(format!("{text:?} is ambiguous: {}.", choices.join(", "))))
        }
    }
}

fn who(member: &Member, newest: &Supposed) -> Value {
    json!({ "id": member.id.as_str(), "name": newest.called(), "arn": newest.arn })
}

fn interval(
    line: &Line<'_>,
    members: &[Member],
    way: &Way,
    asked: Asked<'_>,
) -> Result<Value, Fault> {
    let mut fields: Map<String, Value> = shown::span(line, &way.span, false)?;
    let member = members.first();
    let newest = member.and_then(Member::newest);
    fields.insert("principal".into(), newest.map(|newest| newest.arn.as_str()).into());
    fields.insert("name".into(), newest.map(Supposed::called).into());
    fields.insert("id".into(), member.map(|member| member.id.as_str()).into());
    fields.insert("via".into(), through::called(members, &way.via).into());
    if way.via.is_empty()
        && let Some(member) = member
    {
        let statements = shown::statements(line, &member.epochs, asked, &way.span)?;
        fields.insert("statements".into(), statements.into());
    }
    Ok(Value::Object(fields))
}
