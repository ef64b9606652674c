//! The table that a crash or a promotion empties.

use super::*;

/// What a crash of the server leaves.
const CRASH: &str = "TRUNCATE bucket";
/// What a promotion leaves, on a server that was not the one that wrote last.
const PROMOTION: &str = "TRUNCATE bucket; UPDATE ticket_server SET start = '2001-01-01'";

/// Since when the table is whole, if it says so, and the time of the clock.
async fn since(raw: &Client) -> Option<(i64, i64)> {
    const SINCE: &str = "SELECT tat, \
        ((extract(epoch FROM clock_timestamp()) - 1767225600) * 1000000000)::bigint \
        FROM bucket WHERE bucket = decode(repeat('00', 16), 'hex')";
    let row = raw.query_opt(SINCE, &[]).await.unwrap()?;
    Some((row.get(0), row.get(1)))
}

/// Asks, and is told nothing, until the table says since when it is whole.
async fn noticed(tickets: &PostgresTickets, ask: &Ask, raw: &Client) -> (i64, i64) {
    for _ in 0..1_000 {
        assert_eq!(tickets.take(ask.clone()).await, Ticket::Unavailable);
        if let Some(since) = since(raw).await {
            return since;
        }
    }
    panic!("no batch noticed it")
}

/// A bucket is empty from the crash on, for all programs, whichever of them notices it first.
#[test]
fn no_bucket_is_full_after_a_crash() {
    block_on(async {
        let place = made().await;
        let raw = raw(&place).await;
        let (one, other) = (open(&place).await, open(&place).await);
        assert_eq!(
            since(&raw).await.unwrap().0,
            0,
            "all are full where there never was another table"
        );
        let (brief, long) = (ask(&[limit("a", 3, MINUTE)], 1), ask(&[limit("b", 2, MONTH)], 1));
        assert!(matches!(decided(&one, &brief).await, Ticket::Granted(_)));
        assert!(matches!(decided(&one, &long).await, Ticket::Granted(_)));
        raw.batch_execute(CRASH).await.unwrap();
        let (first, second) = join(many(&one, &brief, 20), many(&other, &brief, 20)).await;
        assert_eq!(granted(&first) + granted(&second), 0);
        let Ticket::Exceeded(told) = decided(&other, &brief).await else { panic!("it is empty") };
        assert!(told.retry_after <= Duration::from_secs(20), "and fills from then on");
        assert!(matches!(decided(&other, &long).await, Ticket::Granted(_)));
        assert!(matches!(decided(&other, &long).await, Ticket::Exceeded(_)), "this is not lost");
    });
}

/// A server that was cut off may go on letting requests in until the lease of its last program
/// ends; also if its successor loses the table once more meanwhile.
#[test]
fn nothing_is_granted_while_another_server_may_grant_it() {
    block_on(async {
        let place = made().await;
        let (raw, lease) = (raw(&place).await, Duration::from_secs(1_000));
        let tickets = PostgresTickets::open(&place, lease).await.unwrap();
        let ask = ask(&[limit("a", 3, MINUTE)], 1);
        raw.batch_execute(PROMOTION).await.unwrap();
        let (whole, now) = noticed(&tickets, &ask, &raw).await;
        assert!(now + 1_000_000_000_000 < whole, "a lease, and the difference of clocks");
        raw.batch_execute(CRASH).await.unwrap();
        assert_eq!(noticed(&tickets, &ask, &raw).await.0, whole);
        // Long ago, all of it.
        raw.batch_execute("UPDATE ticket_server SET since = 5; UPDATE bucket SET tat = 5")
            .await
            .unwrap();
        assert!(matches!(decided(&tickets, &ask).await, Ticket::Granted(_)));
    });
}
