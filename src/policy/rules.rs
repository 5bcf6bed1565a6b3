//! What a document must fulfil beyond its shape, with AWS's errors in AWS's order.
//!
//! When a document has several mistakes AWS names one, in this order: shape, version, principals,
//! legacy parsing (the case of `Effect`, dates, ARNs with too few colons), Sids, missing actions,
//! resources, the form of actions, missing resources. Version, Sids and the form of resources are
//! asked only of documents that somebody saves.

use std::collections::BTreeSet;

use super::error::DocumentError;
use super::grammar::{DocumentKind, Parts, Reading, Rules, Spot, StatementParts};
use super::principal::Scheme;
use super::resource_form;

const LEGACY: &str = "The policy failed legacy parsing";

/// Refuses a document that breaks a rule.
pub(super) fn check(
    reading: &Reading<'_>,
    parts: &Parts,
    rules: Rules,
) -> Result<(), DocumentError> {
    let statements = &parts.statements;
    if rules == Rules::New {
        version(reading, parts)?;
    }
    for statement in statements {
        principal(reading, statement, rules)?;
    }
    for statement in statements {
        legacy(reading, statement)?;
    }
    let mut wrong_resource = None;
    if rules == Rules::New {
        wrong_resource = resources(reading, statements)?;
        sids(reading, statements)?;
    }
    for statement in statements {
        if statement.action.as_ref().is_none_or(|action| action.entries.is_empty()) {
            let detail = "add Action (or NotAction) with at least one entry";
            return Err(reading.error(
                statement.start,
                "Policy statement must contain actions.",
                detail,
            ));
        }
    }
    if let Some(error) = wrong_resource {
        return Err(error);
    }
    for spot in
        statements.iter().filter_map(|s| s.action.as_ref()).flat_map(|action| &action.entries)
    {
        action(reading, spot)?;
    }
    for statement in statements {
        let missing =
            statement.resource.as_ref().is_none_or(|resource| resource.entries.is_empty());
        if missing && reading.kind != DocumentKind::Trust {
            let detail = "add Resource (or NotResource) with at least one entry";
            return Err(reading.error(
                statement.start,
                "Policy statement must contain resources.",
                detail,
            ));
        }
    }
    Ok(())
}

fn version(reading: &Reading<'_>, parts: &Parts) -> Result<(), DocumentError> {
    let needed =
        matches!(reading.kind, DocumentKind::Identity | DocumentKind::Scp | DocumentKind::Rcp);
    if parts.variables || !needed {
        return Ok(());
    }
    let message = "Policy document must be version 2012-10-17 or greater.";
    Err(reading.error(0, message, "add \"Version\": \"2012-10-17\""))
}

fn principal(
    reading: &Reading<'_>,
    statement: &StatementParts,
    rules: Rules,
) -> Result<(), DocumentError> {
    let start = statement.start;
    let Some(principal) = &statement.principal else {
        let needed = match reading.kind {
            DocumentKind::Trust | DocumentKind::Rcp => true,
            DocumentKind::Resource | DocumentKind::Endpoint => rules == Rules::New,
            _ => false,
        };
        if needed {
            let detail = "say whom the statement is about";
            return Err(reading.error(start, "Missing required field Principal", detail));
        }
        return Ok(());
    };
    if !reading.kind.has_principal() {
        let detail = "the policy applies to whatever it is attached to; remove the element";
        return Err(reading.error(
            principal.at,
            "Policy document should not specify a principal.",
            detail,
        ));
    }
    if principal.entries.is_empty() {
        let detail = "name at least one principal";
        return Err(reading.error(
            principal.at,
            "Missing required field Principal cannot be empty!",
            detail,
        ));
    }
    let everyone =
        |(scheme, spot): &(Scheme, Spot)| *scheme == Scheme::Everyone || spot.text == "*";
    if reading.kind == DocumentKind::Rcp
        && (principal.not || !principal.entries.iter().all(everyone))
    {
        return Err(
            reading.syntax(principal.at, "the Principal of a resource control policy is \"*\"")
        );
    }
    if reading.kind == DocumentKind::Trust {
        if let Some(resource) = &statement.resource {
            let detail = "a trust policy is about its own role; remove the element";
            return Err(reading.error(resource.at, "Has prohibited field Resource", detail));
        }
        if rules == Rules::New {
            trust_actions(reading, statement)?;
        }
    }
    Ok(())
}

fn trust_actions(reading: &Reading<'_>, statement: &StatementParts) -> Result<(), DocumentError> {
    let actions = statement.action.iter().flat_map(|action| &action.entries);
    for spot in actions {
        let service = spot.text.split_once(':').map(|(service, _)| service);
        if !service.is_some_and(|service| service.eq_ignore_ascii_case("sts")) {
            let message = "AssumeRole policy may only specify STS AssumeRole actions.";
            return Err(reading.error(
                spot.at,
                message,
                format!("\"{}\" is not an sts action", spot.text),
            ));
        }
    }
    Ok(())
}

fn legacy(reading: &Reading<'_>, statement: &StatementParts) -> Result<(), DocumentError> {
    let Spot { text, at } = &statement.effect_spot;
    if !matches!(text.as_str(), "Allow" | "Deny") {
        return Err(reading.error(
            *at,
            LEGACY,
            "Effect is written \"Allow\" or \"Deny\", in this case",
        ));
    }
    for condition in &statement.conditions {
        for Spot { text, at } in &condition.operands {
            if condition.operator.refuses(text) {
                let detail =
                    format!("\"{text}\" is no date; write 2026-03-01T12:00:00Z or seconds");
                return Err(reading.error(*at, LEGACY, detail));
            }
        }
    }
    Ok(())
}

/// The first mistake in the form of a resource, to be told later; a legacy mistake before it
/// is told at once.
fn resources(
    reading: &Reading<'_>,
    statements: &[StatementParts],
) -> Result<Option<DocumentError>, DocumentError> {
    for spot in statements.iter().filter_map(|s| s.resource.as_ref()).flat_map(|r| &r.entries) {
        let Spot { text, at } = spot;
        if let Some((message, detail)) = resource_form::mistake(text) {
            return Ok(Some(reading.error(*at, message, detail)));
        }
        let short = text != "*" && text.matches(':').count() < 5;
        let rejected =
            matches!(reading.kind, DocumentKind::Scp | DocumentKind::Rcp) && !text.ends_with('*');
        if resource_form::fails_legacy(text) || (short && rejected) {
            let detail = format!("\"{text}\" has too few colons; an ARN has six fields");
            return Err(reading.error(*at, LEGACY, detail));
        }
    }
    Ok(None)
}

fn sids(reading: &Reading<'_>, statements: &[StatementParts]) -> Result<(), DocumentError> {
    let strict = matches!(reading.kind, DocumentKind::Identity | DocumentKind::Session);
    let mut seen = BTreeSet::new();
    for Spot { text, at } in statements.iter().filter_map(|statement| statement.sid.as_ref()) {
        if strict && !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let message = "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies \
                               the regular expression [0-9A-Za-z]*";
            return Err(reading.error(*at, message, format!("rename \"{text}\"")));
        }
        if !text.is_empty() && !seen.insert(text) {
            let message = "Statement IDs (SID) in a single policy must be unique.";
            return Err(reading.error(*at, message, format!("\"{text}\" is used twice")));
        }
    }
    Ok(())
}

fn action(reading: &Reading<'_>, spot: &Spot) -> Result<(), DocumentError> {
    let Spot { text, at } = spot;
    if text == "*" {
        return Ok(());
    }
    let Some((vendor, name)) = text.split_once(':') else {
        let message = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
        return Err(reading.error(*at, message, format!("write \"{text}\" as service:Action")));
    };
    if name.contains(':') {
        let detail = format!("\"{text}\" has several");
        return Err(reading.error(*at, "Actions/Condition can contain only one colon.", detail));
    }
    let sound = vendor.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    if !sound && vendor != "*" {
        let detail = "a service prefix has letters, digits, dots and hyphens";
        return Err(reading.error(*at, format!("Vendor {vendor} is not valid"), detail));
    }
    Ok(())
}
