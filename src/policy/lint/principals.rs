//! Whom a document is about, and whom it should not be about.

use super::super::grammar::{Effect, StatementParts};
use super::super::principal::Scheme;
use super::{Kind, Linter, Looked};

impl Linter<'_> {
    pub(super) fn principals(&mut self, looked: &Looked<'_>) {
        let parts = looked.parts;
        let Some(principal) = &parts.principal else { return };
        if parts.effect != Effect::Allow || !self.kind.grants() {
            return;
        }
        if principal.not {
            self.warn(
                principal.at,
                "allow-not-principal",
                "NotPrincipal with Allow grants everybody else, people without credentials included",
                "name those who are meant in Principal",
            );
            return;
        }
        let everybody = principal
            .entries
            .iter()
            .find(|(scheme, spot)| *scheme == Scheme::Everyone || spot.text == "*");
        if let (Some((_, spot)), true) = (everybody, parts.conditions.is_empty()) {
            self.warn(
                spot.at,
                "public-principal",
                "this grants everybody, whatever their account, and without any condition",
                "name accounts, roles or services, or add a condition such as aws:PrincipalOrgID",
            );
        }
        if self.kind == Kind::Trust {
            self.trust(parts);
        }
    }

    /// A trust policy's way of assuming a role must be open to the principals it names.
    fn trust(&mut self, parts: &StatementParts) {
        let Some((principal, action)) = parts.principal.as_ref().zip(parts.action.as_ref()) else {
            return;
        };
        if action.not {
            return;
        }
        let has = |name: &str| {
            action.entries.iter().any(|spot| {
                let asked = spot.text.to_ascii_lowercase();
                asked == name || asked.contains('*')
            })
        };
        let (by_token, by_saml) =
            (has("sts:assumerolewithwebidentity"), has("sts:assumerolewithsaml"));
        let plainly = has("sts:assumerole");
        for (scheme, spot) in &principal.entries {
            let saml = spot.text.contains(":saml-provider/");
            let (fits, ways) = match scheme {
                Scheme::Everyone | Scheme::CanonicalUser => continue,
                Scheme::Federated if saml => (by_saml, "sts:AssumeRoleWithSAML"),
                Scheme::Federated => (by_token, "sts:AssumeRoleWithWebIdentity"),
                Scheme::Aws | Scheme::Service => (plainly, "sts:AssumeRole"),
            };
            let assumes = plainly || by_token || by_saml;
            if assumes && !fits {
                let message = format!("{} can only assume a role by {ways}", spot.text);
                self.warn(spot.at, "principal-without-its-action", message, format!("add {ways}"));
            }
            let narrowed = parts.conditions.iter().any(|condition| {
                let key = condition.key.to_ascii_lowercase();
                let claims: &[&str] = if spot.text.ends_with("token.actions.githubusercontent.com")
                {
                    &[
                        ":sub",
                        ":repository",
                        ":repository_id",
                        ":job_workflow_ref",
                        ":repository_owner_id",
                    ]
                } else {
                    &[":sub", ":aud", ":amr", ":app_id", ":oaud"]
                };
                claims.iter().any(|claim| key.ends_with(claim))
            });
            if *scheme == Scheme::Federated && by_token && fits && !narrowed && !saml {
                self.warn(
                    spot.at,
                    "provider-without-condition",
                    format!("whoever {} gives a token to can assume this role", spot.text),
                    "add conditions on the token's subject (...:sub) and audience (...:aud)",
                );
            }
        }
    }
}
