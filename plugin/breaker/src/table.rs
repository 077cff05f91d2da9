//! One table for all that is known of the values of an enum.

/// An enum with its facts: first the columns, then a row for each value. Each column becomes a
/// getter; `name`, which every table has, leads back to the value. A macro with the enum's name
/// gives all values to the macro `values` of whoever calls it.
macro_rules! table {
    (
        $(#[$about:meta])*
        pub enum $Enum:ident: $Row:ident {
            $($(#[$of_column:meta])* $seen:vis $column:ident: $Type:ty,)+
        }
        $($(#[$of_value:meta])* $Value:ident { $($given:ident: $fact:expr),+ $(,)? })+
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $Enum { $($(#[$of_value])* $Value,)+ }

        /// Calls the caller's `values!` with the enum and all its values.
        #[macro_export]
        macro_rules! $Enum {
            () => { values! { $Enum: $($Value)+ } };
        }

        struct $Row { $($column: $Type,)+ }

        impl $Enum {
            /// All there are, in the order of their declaration.
            pub const ALL: [Self; [$(Self::$Value),+].len()] = [$(Self::$Value),+];

            /// Its number, from zero on, in the order of [`ALL`](Self::ALL).
            #[inline(always)]
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }

            /// The value of a [name](Self::name).
            #[inline(never)]
            #[must_use]
            pub fn named(name: &[u8]) -> Option<Self> {
                Self::ALL.into_iter().find(|it| it.name().as_bytes() == name)
            }

            #[inline(always)]
            const fn row(self) -> $Row {
                match self { $(Self::$Value => $Row { $($given: $fact),+ },)+ }
            }

            $($(#[$of_column])*
            #[must_use]
            $seen const fn $column(self) -> $Type {
                self.row().$column
            })+
        }
    };
}

pub(crate) use table;
