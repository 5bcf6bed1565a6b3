//! The body of an event: who asked for what, from where, and the changes it caused.
//!
//! | offset | size | what |
//! |---|---|---|
//! | 0 | 2 | version of the origin, u16 big-endian, 1 |
//! | 2 | 4 | length n of the origin, u32 big-endian |
//! | 6 | n | [`Origin`], encoded by [`super::codec`] |
//! | 6+n | | the changes, see [`super::change`] |

use bincode::{Decode, Encode};

use super::change::{self, Change, ChangeError, Sealed};
use super::codec;
use super::id::UniqueId;

const ORIGIN_VERSION: u16 = 1;

/// The request behind an event. What tells of a person is sealed under the key of that person.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Origin {
    /// The operation, `CreateUser`; for operator acts the command, `domesday init`.
    pub operation: String,
    /// The request id that the caller was answered.
    pub request: String,
    /// The access key that signed it; `None` for operator acts.
    pub credential: Option<UniqueId>,
    /// Whose key sealed address, agent and session: the actor, in the account that it belongs to.
    pub actor: UniqueId,
    /// The digits of the actor's account, where that is another one.
    pub actor_account: Option<String>,
    /// The source address, sealed for the actor.
    pub address: Option<Sealed>,
    /// The user agent, sealed for the actor.
    pub agent: Option<Sealed>,
    /// The role session's name, sealed for the actor.
    pub session: Option<Sealed>,
    /// The source identity that the session carries, sealed for the actor.
    pub source_identity: Option<Sealed>,
    /// Whom the event is about, and whose key sealed the parameters.
    pub target: UniqueId,
    /// The request's parameters as JSON without secrets, documents replaced by their hash; sealed for
    /// the target.
    pub parameters: Option<Sealed>,
    /// The ticket that the change was made for, as the caller named it, or from the session
    /// tag `ticket` or the client's app id.
    pub ticket: Option<String>,
}

/// A body in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Who asked for what.
    pub origin: Origin,
    /// What it caused, in order.
    pub changes: Vec<Change>,
}

impl Event {
    /// The bytes that are framed.
    pub fn encode(&self) -> Result<Vec<u8>, ChangeError> {
        let origin = codec::encode(&self.origin)?;
        let length = u32::try_from(origin.len()).map_err(|_| ChangeError::Framing)?;
        let mut body = Vec::with_capacity(origin.len() + 64);
        body.extend_from_slice(&ORIGIN_VERSION.to_be_bytes());
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(&origin);
        for change in &self.changes {
            change::write(change, &mut body)?;
        }
        Ok(body)
    }

    /// Reads a framed body.
    pub fn decode(body: &[u8]) -> Result<Self, ChangeError> {
        let (version, rest) = body.split_first_chunk::<2>().ok_or(ChangeError::Framing)?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(ChangeError::Framing)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (origin, changes) = rest.split_at_checked(length).ok_or(ChangeError::Framing)?;
        match u16::from_be_bytes(*version) {
            ORIGIN_VERSION => {
                Ok(Event { origin: codec::decode(origin)?, changes: change::read_all(changes)? })
            }
            version => Err(ChangeError::Unknown { kind: 0, version }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::change::{UserCreated, UserDeleted};

    fn sample() -> Event {
        let user = UniqueId::parse("AIDAEXAMPLE").unwrap();
        Event {
            origin: Origin {
                operation: "CreateUser".into(),
                request: "r".into(),
                credential: None,
                actor: UniqueId::root(),
                actor_account: None,
                address: None,
                agent: Some(Sealed(vec![1, 2])),
                session: None,
                source_identity: None,
                target: user.clone(),
                parameters: None,
                ticket: None,
            },
            changes: vec![
                UserCreated {
                    user: user.clone(),
                    path: "/".into(),
                    name: Sealed(vec![3]),
                    name_tag: [4; 32],
                }
                .into(),
                UserDeleted { user }.into(),
            ],
        }
    }

    #[test]
    fn bodies_round_trip_and_unknown_kinds_refuse() {
        let event = sample();
        let body = event.encode().unwrap();
        assert_eq!(Event::decode(&body).unwrap(), event);
        for length in 0..body.len() {
            // Cut between two changes it is a shorter list; everywhere else an error. The frame's
            // digest is what tells the two apart.
            if let Ok(shorter) = Event::decode(&body[..length]) {
                assert!(shorter.changes.len() < 2);
            }
        }
        let mut unknown = body.clone();
        unknown.extend_from_slice(&[0xff, 0xff, 0, 1, 0, 0, 0, 0]);
        assert!(matches!(
            Event::decode(&unknown),
            Err(ChangeError::Unknown { kind: 0xffff, version: 1 })
        ));
    }

    #[test]
    fn no_kind_is_used_twice() {
        let mut kinds: Vec<u16> = Change::KINDS.iter().map(|kind| kind.0).collect();
        let count = kinds.len();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), count);
    }
}
