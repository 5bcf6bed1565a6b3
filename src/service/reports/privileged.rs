//! Who is an administrator, or can become one: not whose policies are called so, but whom the evaluator allows
//! every action on every resource; and who could assume a role that is so allowed, one after another.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::named::{Scene, Table};
use crate::policy::{Outcome, Request, explore};
use crate::projection::directory::{Directory, Named, Principal};
use crate::projection::tables::{RoleRow, UserRow};
use crate::service::audit::names::Found;
use crate::service::audit::who_can;
use crate::service::fault::Fault;
use crate::service::supposed::Supposed;

const COLUMNS: &[&str] = &["principal", "arn", "how", "via", "conditional", "missing_context"];
const EVERYTHING: &str = "*";

/// Somebody's way to be an administrator.
struct Way {
    arn: String,
    how: &'static str,
    via: Vec<String>,
    conditional: bool,
    missing: Vec<String>,
}

/// Makes the table.
///
/// # Errors
/// Whatever keeps the account from being read.
pub fn table(scene: &Scene<'_>) -> Result<Table, Fault> {
    let directory = scene.directory();
    let digits = directory.digits()?;
    let mut ways: BTreeMap<String, Way> = BTreeMap::new();
    let root = Supposed::root(&digits);
    let arn = root.arn.clone();
    ways.insert("root".to_owned(), is_one(scene, &root)?.unwrap_or_else(|| bounded(arn)));
    let mut roles = Vec::new();
    for found in members::<UserRow>(directory)?.into_iter().chain(members::<RoleRow>(directory)?) {
        let Some(supposed) = Supposed::of_found(directory, &digits, &found)? else { continue };
        if let Some(way) = is_one(scene, &supposed)? {
            if found.kind == "role" {
                roles.push((found.called(), found.arn.clone(), way.conditional));
            }
            ways.insert(found.called(), way);
        }
    }
    for (role, arn, is_conditional) in roles {
        assumers(scene, &role, &arn, is_conditional, &mut ways)?;
    }
    let count = |how: &str| ways.values().filter(|way| way.how == how).count();
    let summary = json!({
        "administrators": count(IS),
        "can_become": count(BECOMES),
        "conditional": ways.values().filter(|way| way.conditional).count(),
    });
    let rows = ways.into_iter().map(|(name, way)| row(&name, &way)).collect();
    Ok(Table { columns: COLUMNS, rows, summary })
}

const IS: &str = "is";
const BECOMES: &str = "can become";

/// The root user where the organisation's policies do not let it do everything: it is listed all the same.
fn bounded(arn: String) -> Way {
    Way { arn, how: IS, via: Vec::new(), conditional: true, missing: Vec::new() }
}

fn row(name: &str, way: &Way) -> Value {
    json!({
        "principal": name,
        "arn": way.arn,
        "how": way.how,
        "via": way.via,
        "conditional": way.conditional,
        "missing_context": way.missing,
    })
}

fn members<P: Principal>(directory: Directory<'_>) -> Result<Vec<Found>, Fault> {
    let all = directory.all::<P>()?;
    let found = |Named { name, arn, row }: Named<P>| Found {
        kind: P::ARN_TYPE,
        id: row.id().clone(),
        name,
        arn,
    };
    Ok(all.into_iter().map(found).collect())
}

/// Whether somebody may do everything, perhaps under conditions.
fn is_one(scene: &Scene<'_>, supposed: &Supposed) -> Result<Option<Way>, Fault> {
    let directory = scene.directory();
    let grants = supposed.grants(scene.service.documents(), &directory)?;
    let context = supposed.context();
    let policies = grants.policies_on(EVERYTHING, None);
    let request = Request::new(supposed.principal(), EVERYTHING, EVERYTHING, &context);
    let explored = explore(&request, &policies);
    if explored.best != Outcome::Allowed {
        return Ok(None);
    }
    let conditional = explored.is_conditional();
    let missing = match conditional {
        true => explored.missing_keys.iter().map(|key| (*key).to_owned()).collect(),
        false => Vec::new(),
    };
    let arn = supposed.arn.clone();
    Ok(Some(Way { arn, how: IS, via: Vec::new(), conditional, missing }))
}

/// Adds who could assume a role that is an administrator, unless a surer way is known.
fn assumers(
    scene: &Scene<'_>,
    role: &str,
    arn: &str,
    is_conditional: bool,
    ways: &mut BTreeMap<String, Way>,
) -> Result<(), Fault> {
    let ask = who_can::Ask {
        action: "sts:AssumeRole".to_owned(),
        resource: arn.to_owned(),
        context: Vec::new(),
    };
    let answer = who_can::who_can(scene.service, scene.account, scene.view, &ask)?;
    let texts = |one: &Value, name: &str| -> Vec<String> {
        let list = one.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    for one in answer.get("principals").and_then(Value::as_array).into_iter().flatten() {
        let text =
            |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let conditional = is_conditional || one.get("conditional") == Some(&Value::Bool(true));
        let name = text("name");
        let mut via = texts(one, "via");
        via.push(role.to_owned());
        // The surest way, and among those the shortest.
        let is_better = ways
            .get(&name)
            .is_none_or(|known| (conditional, via.len()) < (known.conditional, known.via.len()));
        if name == "root" || name == role || !is_better {
            continue;
        }
        let missing = texts(one, "missing_context");
        let arn = text("principal");
        ways.insert(name, Way { arn, how: BECOMES, via, conditional, missing });
    }
    Ok(())
}
