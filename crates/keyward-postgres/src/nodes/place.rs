//! Whether the trail has a mark.

/// A condition: the trail has the entry of this number and digest, or they are those before its
/// first entry, which every trail has.
macro_rules! has_mark {
    ($id:literal, $digest:literal) => {
        concat!(
            "(",
            $id,
            " = 0 AND ",
            $digest,
            " = decode(repeat('00', 32), 'hex') OR EXISTS \
             (SELECT FROM audit a WHERE a.id = ",
            $id,
            " AND a.digest = ",
            $digest,
            "))"
        )
    };
}

pub(super) use has_mark;
