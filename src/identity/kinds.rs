//! How kinds of change are declared: number, version, struct; and what follows from the table.

macro_rules! changes {
    ($( $(#[$doc:meta])* $number:literal v $version:literal $name:ident {
        $( $(#[$field_doc:meta])* $field:ident : $type:ty, )*
    } )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
            pub struct $name { $( $(#[$field_doc])* pub $field: $type, )* }

            impl From<$name> for Change {
                fn from(change: $name) -> Change { Change::$name(change) }
            }
        )*

        /// One change, of one of the kinds.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Change { $( $(#[$doc])* $name($name), )* }

        impl Change {
            /// Every kind with its number and newest version.
            pub const KINDS: &'static [(u16, u16, &'static str)] =
                &[$( ($number, $version, stringify!($name)), )*];

            /// The name of the kind.
            pub fn name(&self) -> &'static str {
                match self { $( Change::$name(_) => stringify!($name), )* }
            }

            /// Hands out the unique ids, and the ARNs of shared policies, that the change names.
            pub fn each_id<'a>(&'a self, each: &mut dyn FnMut(&'a str)) {
                match self { $( Change::$name(change) => { $( change.$field.each_id(each); )* let _ = change; } )* }
            }

            fn fields(&self) -> Result<(u16, u16, Vec<u8>), CodecError> {
                match self { $( Change::$name(change) => Ok(($number, $version, codec::encode(change)?)), )* }
            }

            fn from_fields(kind: u16, version: u16, fields: &[u8]) -> Result<Self, ChangeError> {
                match (kind, version) {
                    $( ($number, $version) => Ok(Change::$name(codec::decode(fields)?)), )*
                    _ => Err(ChangeError::Unknown { kind, version }),
                }
            }
        }
    };
}

pub(super) use changes;
