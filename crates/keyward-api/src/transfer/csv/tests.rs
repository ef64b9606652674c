//! CSV as other systems write it, and malformed CSV.

use proptest::prelude::*;

use super::*;

fn read(text: &[u8]) -> Vec<Line> {
    read_csv(Text::open(text).unwrap()).unwrap().collect::<Result<_, _>>().unwrap()
}

/// The keys as JSON, or the faults, each after the number of its line.
fn story(text: &[u8]) -> String {
    let line = |line: Line| match line.item {
        Ok(Item::Key(key)) => format!("{}: {}", line.number, serde_json::to_string(&key).unwrap()),
        Ok(other) => panic!("{other:?}"),
        Err(fault) => format!("{}: fault: {fault}", line.number),
    };
    read(text).into_iter().map(line).collect::<Vec<_>>().join("\n")
}

fn header_fault(text: &str) -> String {
    read_csv(Text::open(text.as_bytes()).unwrap()).err().expect("a fault").to_string()
}

const AB: &str = "abababababababababababababababababababababababababababababababab";

#[test]
fn columns_are_known_by_name_and_empty_cells_say_nothing() {
    let text = format!(
        "name,Digest ,scopes,networks,metadata,state,expires_at,\
         created_at,last_used_at,hint,owner,key_id,tier\r\n\
         mobile,{AB},articles:read  a:*,10.0.0.0/8 ::1/128,\
         \"{{\"\"plan\"\": \"\"a,b\"\"}}\",suspended,\
         2030-01-31T12:00:00+02:00,2024-05-01 12:34:56.5,,kw_Ab3d,acme,7,pro\r\n\
         bare,{AB},,,,,,,,,,,\r\n"
    );
    insta::assert_snapshot!(story(text.as_bytes()));
}

#[test]
fn a_record_has_one_limit_and_several_are_no_less_than_a_fault() {
    let text = format!(
        "name,digest,limit\n\
         one,{AB},100 per 60s burst 200\n\
         named,{AB},day: 5000 per 1d\n\
         tiers,{AB},\n\
         two,{AB},\"100 per 60s, day: 5000 per 1d\"\n\
         spaced,{AB},100 per 60s day: 5000 per 1d\n\
         json,{AB},[]\n\
         other,{AB},100\n"
    );
    insta::assert_snapshot!(story(text.as_bytes()));
}

#[test]
fn the_tutorials_table_as_csv_is_read() {
    let text = format!(
        "id,key_hash,name,rate_limit_tier,is_active,created_at,last_used_at\n\
         1,{AB},one,basic,1,2024-05-01 12:34:56.123456,\n\
         2,{AB},two,basic,0,2024-05-01 12:34:56,2024-05-02 00:00:00\n"
    );
    insta::assert_snapshot!(story(text.as_bytes()));
}

#[test]
fn faults_are_told_by_line_and_the_others_go_on() {
    let text = format!(
        "\u{feff}name,digest,is_active,key_id,metadata,expires_at\n\
         \n\
         short,{AB}\n\
         \"two\nlines\",{AB},,,,\n\
         leak,kw_secret,,,,\n\
         flag,{AB},maybe,,,\n\
         id,{AB},,seven,,\n\
         meta,{AB},,,[],\n\
         time,{AB},,,,soon\n\
         ,{AB},,,,\n\
         last,{AB},,,,"
    );
    let story = story(text.as_bytes());
    assert!(!story.contains("kw_secret"), "{story}");
    insta::assert_snapshot!(story);
}

#[test]
fn a_wrong_header_is_rejected_with_the_remedy() {
    let texts = [
        "",
        "name,hash\n",
        "name,digest,tire\n",
        "name,digest,secret\n",
        "name,key_hash,digest\n",
        "digest,tier\n",
        "name\n",
        "name;hash\n",
        ",name\n",
        "name,digest,state,is_active\n",
        "name,digest,limits\n",
    ];
    insta::assert_snapshot!(texts.map(header_fault).join("\n"));
}

/// The names, ids, owners and so on of keys that were read, one a line.
fn told(text: &str) -> String {
    story(text.replace("AB", AB).as_bytes()).replace(AB, "AB")
}

#[test]
fn spreadsheets_are_read() {
    let lines = "name;Digest;Rate Limit Tier;\r\n\"a;b\";AB;pro;;\r\nb;AB;;x\r\n";
    let marked = told(&format!("\u{feff}{lines}"));
    assert_eq!(told(&format!("sep=;\r\n{lines}")).replace("3:", "2:").replace("4:", "3:"), marked);
    let utf16: Vec<u8> =
        lines.replace("AB", AB).encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(story(&[b"\xff\xfe", &utf16[..]].concat()).replace(AB, "AB"), marked);
    assert_eq!(told(&lines.replace(';', "\t")).replace("a\\tb", "a;b"), marked);
    insta::assert_snapshot!(marked);
}

#[test]
fn what_pandas_and_databases_write_is_read() {
    insta::assert_snapshot!(told(
        ",\"name\",digest,key_id,owner,is_active,scopes,networks,created_at,expires_at\n\
         0,pandas,AB,3001.0,,True,\"['a:b', 'c:*']\",[],1714567890123,\n\
         1,postgres,\\xAB,\"3,002\",\\N,t,\"{a:b,\"\"c:*\"\"}\",{},\
         2024-05-01 12:51:30.123456+00,infinity\n\
         2,mysql,0xAB,3003,NULL,1,,{::1/128},1714567890,NULL\n\
         3,json,AB,3004,None,1,\"[\"\"a:b\"\",\"\"c:*\"\"]\",,,<NA>\n\
         4,later,AB,,nan,f,,,,NaN\n\
         x,no index,AB,,,,,,,\n\
         5,words,AB,,,,\"{\"\"a b\"\",c}\",,,\n\
         6,gone,AB,,,NULL,,,,\n\
         7,NULL,AB,,,,,,,\n\
         8,past,AB,,,,,,,-infinity\n"
    ));
}

#[test]
fn quotes_after_backslashes_are_mysqls() {
    insta::assert_snapshot!(told(
        "\"name\",\"digest\",\"metadata\"\n\
         \"say \\\"a, b\\\"\",\"AB\",\"{\\\"plan\\\": \\\"a,b\\\"}\"\n\
         \"back\\\\slash\",\"AB\",\\N\n"
    ));
}

#[test]
fn a_backslash_that_comes_late_is_told_and_not_misread() {
    let lines: String = (0..900).map(|at| format!("\"n{at}\",\"{AB}\"\n")).collect();
    let text = format!("name,digest\n{lines}\"say \\\"hi\\\"\",\"{AB}\"\n\"last\",\"{AB}\"\n");
    let read = read(text.as_bytes());
    assert_eq!(read.len(), 902);
    assert_eq!(read[900].item, Err(ESCAPED.to_owned()));
    assert!(read.iter().filter(|line| line.item.is_ok()).count() == 901);
}

#[test]
fn a_quote_that_is_never_closed_does_not_swallow_the_file() {
    let lines: String = (0..3_000).map(|at| format!("n{at},{AB}\n")).collect();
    let text = format!("name,digest\n\"open,{AB}\n{lines}");
    let read = read(text.as_bytes());
    let fault = read[0].item.as_ref().unwrap_err();
    assert!(fault.contains("is a quote opened and not closed?"), "{fault}");
    assert_eq!(read[0].number, 2);
    assert!(read[1..].iter().all(|line| line.item.is_ok()));
    assert_eq!(read.last().unwrap().number, 3_002);
    assert!(2_000 < read.len());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let text = [b"name,digest\n", &bytes[..]].concat();
        let lines = read(&text);
        prop_assert!(lines.iter().all(|line| 1 < line.number));
    }

    #[test]
    fn structure_does_not_make_it_panic(text in "[\",\r\na]{0,200}") {
        let text = format!("name,digest\n{text}");
        let most = text.split(['\n', '\r']).count() as u64;
        prop_assert!(read(text.as_bytes()).iter().all(|line| line.number <= most));
    }
}
