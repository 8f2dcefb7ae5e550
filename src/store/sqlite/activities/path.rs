//! [`Path`]: the index through which matching rows are found.

use super::numbers::Numbers;
use crate::model::activity::Order;

/// The index through which rows are found.
#[derive(Clone, Copy)]
pub(super) enum Path {
    Session,
    User,
    Visitor,
    Stranger,
    Blocks,
}

impl Path {
    pub(super) fn of(numbers: &Numbers) -> Self {
        match numbers {
            Numbers { is_stranger: true, .. } => Self::Stranger,
            Numbers { session: Some(_), .. } => Self::Session,
            Numbers { visitor: Some(_), .. } => Self::Visitor,
            Numbers { user: Some(_), .. } => Self::User,
            _ => Self::Blocks,
        }
    }

    fn source(self) -> &'static str {
        match self {
            // CROSS JOIN makes the blocks the outer loop; otherwise each row would search its
            // block.
            Self::Session => "activity_session_blocks b CROSS JOIN activities a",
            Self::User => "activity_user_blocks b CROSS JOIN activities a",
            Self::Visitor | Self::Stranger => "activities a INDEXED BY activities_by_visitor",
            Self::Blocks => "activity_blocks b CROSS JOIN activities a",
        }
    }

    fn condition(self) -> &'static str {
        match self {
            Self::Session => {
                "b.session = :session AND a.session = :session AND (:user IS NULL OR a.user = :user) \
                 AND (:visitor IS NULL OR a.visitor = :visitor) AND :segment IS NULL"
            }
            Self::User => {
                "b.segment = :segment AND b.user = :user AND a.user = :user AND :session IS NULL AND :visitor IS NULL"
            }
            Self::Visitor => {
                "a.visitor = :visitor AND (:user IS NULL OR a.user = :user) AND :session IS NULL AND :segment IS NULL"
            }
            Self::Stranger => {
                "a.visitor = :visitor AND a.user IS NULL AND :user IS NULL AND :session IS NULL AND :segment IS NULL"
            }
            Self::Blocks => {
                "b.max_time >= :from AND b.min_time < :until AND (b.types & :type_bits) <> 0 \
                 AND :session IS NULL AND :user IS NULL AND :visitor IS NULL AND :segment IS NULL"
            }
        }
    }

    pub(super) fn sql(
        self,
        (columns, joins): (&str, &str),
        order: Option<Order>,
        except: &[i64],
        rest: &str,
    ) -> String {
        let order_by = order.map_or(String::new(), |order| format!("ORDER BY {}", self.order(order)));
        let within = match self {
            Self::Visitor | Self::Stranger => "AND a.sequence BETWEEN :low AND :high",
            // With the plus, SQLite uses the block instead of the wide range as the bounds of each
            // search.
            _ => {
                "AND b.block BETWEEN :low >> 10 AND :high >> 10 \
                 AND a.sequence BETWEEN b.block << 10 AND (b.block << 10) + 1023 \
                 AND +a.sequence BETWEEN :low AND :high"
            }
        };
        let except = except_sql(except);
        // Every parameter must occur in every statement; this is the purpose of the trivial
        // conditions.
        format!(
            "SELECT {columns} FROM {source} {joins} WHERE {condition} {within} \
             AND (:type IS NULL OR a.type = :type) {except}AND (:type_bits = :type_bits) \
             AND a.time >= :from AND a.time < :until {rest} {order_by} LIMIT :limit",
            source = self.source(),
            condition = self.condition(),
        )
    }

    /// Returns conditions that only some queries need.
    pub(super) fn rest(self, numbers: &Numbers) -> String {
        let restricted = if numbers.restricted_at.is_some() { NOT_RESTRICTED } else { "" };
        let personal = match (numbers.except_anonymised, self) {
            (false, _) => "",
            (true, Self::Blocks) => "AND a.anonymised IS NULL AND (b.personal & :type_bits) <> 0",
            (true, _) => "AND a.anonymised IS NULL",
        };
        format!("{personal} {restricted}")
    }

    /// Returns the order by sequence number, in a form that lets SQLite skip sorting.
    fn order(self, order: Order) -> &'static str {
        match (self, order) {
            (Self::Visitor | Self::Stranger, Order::NewestFirst) => "a.sequence DESC",
            (Self::Visitor | Self::Stranger, Order::OldestFirst) => "a.sequence",
            (_, Order::NewestFirst) => "b.block DESC, a.sequence DESC",
            (_, Order::OldestFirst) => "b.block, a.sequence",
        }
    }
}

/// Excludes restricted and held rows. SQLite computes each list once per statement.
pub(super) const NOT_RESTRICTED: &str = "
    AND (a.user IS NULL OR a.user NOT IN (SELECT user FROM restrictions
        UNION SELECT user FROM legal_holds WHERE class = 'activities' AND (until IS NULL OR until > :restricted_at)))
    AND (a.user IS NOT NULL OR a.visitor IS NULL OR a.visitor NOT IN
        (SELECT v.id FROM consent_subjects c JOIN visitors v ON v.public_id = c.visitor WHERE c.linked_to IN
            (SELECT user FROM restrictions
            UNION SELECT user FROM legal_holds WHERE class = 'activities' AND (until IS NULL OR until > :restricted_at))))";

/// A few numbers of ours, always the same ones, so the statement stays prepared.
pub(super) fn except_sql(except: &[i64]) -> String {
    match except {
        [] => String::new(),
        _ => format!("AND a.type NOT IN ({}) ", except.iter().map(i64::to_string).collect::<Vec<_>>().join(",")),
    }
}
