//! What a table of metrics is made into: an enum, whose values are numbered densely.

/// Whether a metric goes up only, or is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// It goes up only.
    Counter,
    /// It is set.
    Gauge,
}

/// A row of a table: one metric, for each value of its labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricRow {
    /// Its name, without labels.
    pub name: &'static str,
    /// Whether it goes up only, or is set.
    pub kind: MetricKind,
    /// The names of its labels, beside the service's.
    pub labels: &'static [&'static str],
    /// What it counts or shows, in a line; as on the page on operations.
    pub doc: &'static str,
    /// How many there are of it.
    pub(super) len: usize,
}

/// How many metrics there are in the first `rows` of a table.
pub(super) const fn sum(mut table: &[MetricRow], rows: usize) -> usize {
    let (mut sum, mut row) = (0, 0);
    while let [first, rest @ ..] = table
        && row < rows
    {
        sum += first.len;
        row += 1;
        table = rest;
    }
    sum
}

/// What the names of all labels begin with.
pub const LABEL_PREFIX: &str = "cb_";

/// Writes a label as Istio's `extraStatTags` and the sample's `stats_tags` read it, before the name.
pub(super) fn push_label(stat: &mut String, label: &str, value: &str) {
    stat.extend([LABEL_PREFIX, label, "=.=", value, ";.;"]);
}

macro_rules! metrics {
    ($($(#[doc = $about:literal])+ $table:ident {
        $($(#[doc = $doc:literal])+
        $kind:ident $metric:ident $(($($label:ident: $values:ty),+))? = $name:literal,)+
    })+) => {$(
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $table {
            $($(#[doc = $doc])+ $metric $(($($values),+))?,)+
        }

        impl $table {
            /// The table that it is made of.
            pub const ROWS: &'static [MetricRow] = &[$(MetricRow {
                name: concat!("edge_breaker_", $name),
                kind: MetricKind::$kind,
                labels: &[$($(stringify!($label)),+)?],
                doc: concat!($($doc),+),
                len: 1 $($(* <$values as Label>::VALUES.len())+)?,
            }),+];

            /// Each row, for each value of its labels.
            fn all() -> impl Iterator<Item = Self> {
                let rows: [fn(usize) -> Option<Self>; Self::ROWS.len()] = [$(|number| {
                    let _rest = number;
                    $($(let ($label, _rest) = nth(_rest)?;)+)?
                    (_rest == 0).then_some(Self::$metric $(($($label),+))?)
                }),+];
                rows.into_iter().flat_map(|row| (0..).map_while(row))
            }

            /// Its number in the table.
            #[inline(always)]
            fn number(self) -> usize {
                enum Row { $($metric),+ }
                match self {
                    $(Self::$metric $(($($label),+))? => {
                        let (_number, _size) = (0, 1);
                        $($(
                            let _number = _number + $label.number() * _size;
                            let _size = _size * <$values as Label>::VALUES.len();
                        )+)?
                        _number + const { sum(Self::ROWS, Row::$metric as usize) }
                    })+
                }
            }

            const fn kind(self) -> MetricKind {
                match self {
                    $(Self::$metric { .. } => MetricKind::$kind,)+
                }
            }

            /// Its name without labels, and each of them with its value.
            fn describe(self, _label: &mut dyn FnMut(&'static str, &str)) -> &'static str {
                match self {
                    $(Self::$metric $(($($label),+))? => {
                        $($(_label(stringify!($label), $label.text());)+)?
                        concat!("edge_breaker_", $name)
                    })+
                }
            }
        }
    )+};
}

pub(super) use metrics;
