use keyward::count::Counts;
use keyward::digest::Digest;
use keyward::issue::*;
use keyward::store::*;
use keyward::time::UnixHour;
use keyward::usage::UsageRow;
use keyward::*;
use std::sync::Arc;
use std::time::Instant;
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let dir = std::env::args().nth(1).unwrap();
    let path = std::path::PathBuf::from(&dir).join("m.db");
    if !path.exists() {
        let s = keyward_store::SqliteStore::open(&path, "m", UnixMillis(1)).unwrap();
        s.close().await.unwrap();
        drop(s);
        let c = rusqlite::Connection::open(&path).unwrap();
        let t = Instant::now();
        c.execute_batch(&"PRAGMA synchronous=OFF; PRAGMA cache_size=-400000; BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<{N}) INSERT INTO keys(name,tier,scopes,state,created_at_ms) SELECT 'customer number '||i,'basic','','active',1700000000000 FROM n; INSERT INTO secrets(key_id,digest,hint,created_at_ms) SELECT id, randomblob(32),'kw_abcdef',1 FROM keys; INSERT INTO audit(at_ms,actor,verb,key_id) SELECT 1,'admin-key','issue',id FROM keys; COMMIT".replace("{N}", &std::env::var("N").unwrap_or("1000000".into()))).unwrap();
        println!("fill {:?}", t.elapsed());
    }
    let t = Instant::now();
    let s = Arc::new(keyward_store::SqliteStore::open(&path, "m", UnixMillis(1)).unwrap());
    println!("open {:?}", t.elapsed());
    for _ in 0..5 {
        let t = Instant::now();
        let mut after = 0;
        let mut n = 0;
        loop {
            let p = s.secrets(after, 16384).await.unwrap();
            let Some(l) = p.last() else { break };
            after = l.position;
            n += p.len();
        }
        println!("load {n} {:?}", t.elapsed());
    }
    if std::env::args().nth(2).is_some() {
        return;
    }
    let mk = |n: u64| {
        let mut b = [0u8; 32];
        let mut x = n.wrapping_mul(0x9e3779b97f4a7c15) ^ 0x1234;
        for c in b.chunks_mut(8) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            c.copy_from_slice(&x.to_le_bytes());
        }
        NewRecord {
            key: NewKey {
                name: "a customer".parse().unwrap(),
                tier: "basic".parse().unwrap(),
                scopes: Default::default(),
                expires_at: None,
            },
            digest: Digest::from_stored(b),
            hint: "kw_abcdef".into(),
        }
    };
    let au = || Audit {
        actor: Actor::AdminKey,
        at: UnixMillis(5),
        request_id: Some("req-1234567890".into()),
    };
    for round in 0..2u64 {
        let c0 = s.commits();
        let t = Instant::now();
        let mut js = tokio::task::JoinSet::new();
        for w in 0..64u64 {
            let s = s.clone();
            js.spawn(async move {
                for i in 0..400u64 {
                    s.insert_key(mk(round * 1000000 + w * 400 + i + 1), au()).await.unwrap();
                }
            });
        }
        js.join_all().await;
        let e = t.elapsed();
        println!(
            "issue 25600 {:?} {:.0}/s commits {}",
            e,
            25600.0 / e.as_secs_f64(),
            s.commits() - c0
        );
    }
    let t = Instant::now();
    for i in 0..500u64 {
        s.insert_key(mk(9000000 + i), au()).await.unwrap();
    }
    println!("single issue {:?} each", t.elapsed() / 500);
    for b in 1..=6u64 {
        let rows: Vec<_> = (0..4096u64)
            .map(|i| UsageRow {
                key_id: KeyId::new((i * if b < 4 { 1 } else { 244 }) % 1000000 + 1).unwrap(),
                hour: UnixHour(5),
                counts: Counts { allowed: 3, ..Default::default() },
                last_used_at: Some(UnixMillis(100 + b)),
            })
            .collect();
        let t = Instant::now();
        s.add_usage(UsageBatch { writer: [1; 16], number: b, rows }).await.unwrap();
        println!("usage 4096 {} {:?}", if b < 4 { "dense" } else { "spread" }, t.elapsed());
    }
    let t = Instant::now();
    for i in 0..500u64 {
        s.revoke(KeyId::new(i * 100 + 1).unwrap(), au()).await.unwrap();
    }
    println!("revoke {:?} each", t.elapsed() / 500);
    let t = Instant::now();
    for i in 0..2000u64 {
        s.find_key(KeyId::new(i * 100 + 1).unwrap()).await.unwrap();
    }
    println!("find {:?} each", t.elapsed() / 2000);
    let t = Instant::now();
    s.close().await.unwrap();
    println!("close {:?}", t.elapsed());
}
