//! What makes rows into tables, types and readers.

/// Sets of words: an `enum` each, and what the table of fields has to know of it.
macro_rules! words {
    ($(
        $(#[doc = $doc:literal])+
        $vis:vis enum $name:ident { $($(#[doc = $text:literal])+ $word:ident = $json:literal,)+ }
    )+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            $vis enum $name { $($(#[doc = $text])+ $word,)+ }

            impl $name {
                pub(crate) const WORDS: Words =
                    Words { name: stringify!($name), words: &[$($json),+] };
            }

            impl Read for Option<$name> {
                fn read(from: &Reader<'_>, row: u8, refused: &mut Refused) -> Self {
                    const ALL: &[$name] = &[$($name::$word),+];
                    from.word(row, refused).and_then(|number| ALL.get(number).copied())
                }
            }

            needed!($name: [$($name::$word),+][0]);
        )+

        /// The words with what is said of them.
        pub(crate) const WORDS: &[DescribedWords] = &[$(
            DescribedWords {
                words: &$name::WORDS,
                text: concat!($($doc),+),
                each: &[$(concat!($($text),+)),+],
            },
        )+];
    };
}

/// Objects: a table of fields each, and a type that is read by it.
macro_rules! objects {
    ($(
        $(#[doc = $doc:literal])+
        $vis:vis $kind:ident $name:ident $shape:ident $(as $title:literal)? { $($rows:tt)* }
    )+) => {
        $(object! { @$kind [$(#[doc = $doc])+ $vis] $name $shape [$($title)?] $($rows)* })+

        /// The objects with what is said of them.
        pub(crate) const OBJECTS: &[Described] = &[$(
            Described {
                shape: &$shape,
                text: concat!($($doc),+),
                fields: described! { @$kind $($rows)* },
            },
        )+];
    };
}

macro_rules! object {
    (@shape [$($doc:tt)+] $name:ident $shape:ident [$($title:literal)?] $(
        $(#[doc = $text:literal])+ $field:ident: $spec:expr $(, $about:expr)?;
    )+) => {
        object! { @table $name $shape [$($title)?] $($field: $spec;)+ }
    };
    (@struct [$($doc:tt)+] $name:ident $shape:ident [$($title:literal)?] $(
        $(#[doc = $text:literal])+ pub $field:ident: $type:ty = $spec:expr $(, $about:expr)?;
    )+) => {
        object! { @table $name $shape [$($title)?] $($field: $spec;)+ }

        #[derive(Clone, Debug)]
        $($doc)+ struct $name { $($(#[doc = $text])+ pub $field: $type,)+ }

        impl $name {
            /// Reads all fields. If one is refused, what is read is of no use.
            pub(crate) fn read(from: &Reader<'_>, refused: &mut Refused) -> Self {
                let mut rows = 0_u8..;
                let mut row = || rows.next().unwrap_or_default();
                Self { $($field: Read::read(from, row(), refused),)+ }
            }
        }

        impl Read for Option<$name> {
            fn read(from: &Reader<'_>, row: u8, refused: &mut Refused) -> Self {
                from.object(row).map(|object| $name::read(&object, refused))
            }
        }
    };
    (@table $name:ident $shape:ident [] $($rows:tt)+) => {
        object! { @table $name $shape [stringify!($name)] $($rows)+ }
    };
    (@table $name:ident $shape:ident [$title:expr] $($field:ident: $spec:expr;)+) => {
        pub(crate) static $shape: Shape = Shape {
            name: $title,
            fields: &[$(Field { name: plain_name(stringify!($field)), ..$spec }),+],
        };
    };
}

/// What is said of fields, in the order of their rows.
macro_rules! described {
    (@shape $($(#[doc = $text:literal])+ $field:ident: $spec:expr $(, $about:expr)?;)+) => {
        &[$((concat!($($text),+), described!(@about $($about)?))),+]
    };
    (@struct $(
        $(#[doc = $text:literal])+ pub $field:ident: $type:ty = $spec:expr $(, $about:expr)?;
    )+) => {
        &[$((concat!($($text),+), described!(@about $($about)?))),+]
    };
    (@about) => { &[] };
    (@about $about:expr) => { $about };
}
