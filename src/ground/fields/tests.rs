use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HOST};
use proptest::prelude::*;

use super::*;

/// The fields of a head, read as the engines read it.
fn read(head: &str) -> Option<Fields> {
    let mut lines = [httparse::EMPTY_HEADER; 32];
    let (httparse::Status::Complete((end, found)), _) =
        (httparse::parse_headers(head.as_bytes(), &mut lines).ok()?, ())
    else {
        return None;
    };
    let at = |part: &[u8]| (part.as_ptr().addr() - head.as_ptr().addr(), part.len());
    let places: Vec<Place> =
        found.iter().map(|line| Place { name: at(line.name.as_bytes()), value: at(line.value) }).collect();
    Fields::of_text(BytesMut::from(&head.as_bytes()[..end]), places.into_iter())
}

fn written(fields: &Fields) -> String {
    let mut out = BytesMut::new();
    fields.write_to(&mut out);
    String::from_utf8(out.to_vec()).unwrap()
}

fn check(head: &str, change: impl Fn(&mut Fields), expected: &str) {
    let mut fields = read(head).unwrap();
    change(&mut fields);
    assert_eq!(written(&fields), expected, "{head:?}");
}

#[test]
fn lines_are_written_with_small_names_and_one_space() {
    let head = "Host: a\r\nACCEPT:*/*\r\nx-y:   z \t \r\nEmpty:\r\n\r\n";
    check(head, |_| {}, "host: a\r\naccept: */*\r\nx-y: z\r\nempty: \r\n");
}

#[test]
fn what_is_taken_off_is_not_written_and_what_is_added_comes_last() {
    let head = "Host: a\r\nAccept: x\r\nCookie: 1\r\nCookie: 2\r\n\r\n";
    check(head, |fields| fields.remove(&COOKIE), "host: a\r\naccept: x\r\n");
    check(head, |fields| fields.insert(&ACCEPT, "y"), "host: a\r\ncookie: 1\r\ncookie: 2\r\naccept: y\r\n");
    check(head, |fields| fields.retain(|_, value| value != b"1"), "host: a\r\naccept: x\r\ncookie: 2\r\n");
    let more: Fields = read("Content-Type:j\r\nHost: b\r\n\r\n").unwrap();
    let all = "host: a\r\naccept: x\r\ncookie: 1\r\ncookie: 2\r\ncontent-type: j\r\nhost: b\r\n";
    check(head, |fields| fields.append_all(&more), all);
    check("\r\n", |fields| fields.append_parts(&CONTENT_TYPE, &[b"a", b"", b"b"]), "content-type: ab\r\n");
}

#[test]
fn what_is_taken_off_by_a_list_is_all_that_it_names_and_no_more() {
    let head = "Host: a\r\nHxxt: b\r\nAccept: c\r\nHOST: d\r\n\r\n";
    let host = Marks::of(&["host"]);
    check(head, |fields| fields.take_off(host, |name| name == b"host"), "hxxt: b\r\naccept: c\r\n");
    check(head, |fields| fields.take_off(Marks::of(&["cookie"]), |_| true), &written(&read(head).unwrap()));
    // Only those are asked about that may be meant.
    check(head, |fields| fields.take_off(host, |_| true), "accept: c\r\n");
}

#[test]
fn a_name_is_found_whichever_way_it_came() {
    let others = read("Cookie: 1\r\n\r\n").unwrap();
    let mut fields = read("HOST: a\r\n\r\n").unwrap();
    fields.append(&ACCEPT, "x");
    fields.append_all(&others);
    for name in [HOST, ACCEPT, COOKIE] {
        assert!(fields.contains(&name), "{name}");
        assert!(Fields::from(&fields.to_map()).contains(&name), "{name}");
    }
    assert!(!fields.contains(&CONTENT_TYPE));
}

#[test]
fn a_value_that_could_end_its_line_is_left_out() {
    for value in [&b"a\r\nx: y"[..], b"a\nb", b"\0", b"\x7f"] {
        check("\r\n", |fields| fields.append(&ACCEPT, value), "accept: \r\n");
    }
}

#[test]
fn the_parser_lets_pass_as_a_value_what_is_one_and_nothing_else() {
    for byte in 0..=255_u8 {
        let head = [b"a: b", &[byte][..], b"c\r\n\r\n"].concat();
        let mut lines = [httparse::EMPTY_HEADER; 4];
        let passes = matches!(httparse::parse_headers(&head, &mut lines), Ok(httparse::Status::Complete((_, [_]))));
        // Where a line ends there is another one, or a fault.
        assert_eq!(passes, !plain::has_controls(&[byte]), "{byte}");
        let named = [&[byte][..], b"a: b\r\n\r\n"].concat();
        let mut lines = [httparse::EMPTY_HEADER; 4];
        let passes = matches!(httparse::parse_headers(&named, &mut lines), Ok(httparse::Status::Complete((_, [_]))));
        assert_eq!(passes, HeaderName::from_bytes(&[byte]).is_ok(), "{byte}");
    }
}

#[test]
fn a_place_outside_of_the_text_is_none() {
    for (name, value) in
        [((0, 9), (9, 0)), ((0, 1), (3, 9)), ((0, 0), (1, 1)), ((2, 1), (0, 1)), ((0, usize::MAX), (0, 0))]
    {
        let text = BytesMut::from(&b"a: b\r\n"[..]);
        assert!(Fields::of_text(text, [Place { name, value }].into_iter()).is_none(), "{name:?} {value:?}");
    }
}

#[test]
fn a_field_is_found_by_its_whole_name() {
    let fields =
        read("Hos: x\r\nHxxt: z\r\nHOST: a\r\nHostt: y\r\nhxxt: z\r\nhost: b\r\nAccept: caf\u{e9}\r\n\r\n").unwrap();
    assert_eq!(fields.first(&HOST), Some(&b"a"[..]));
    assert_eq!(fields.all(&HOST).collect::<Vec<_>>(), [b"a", b"b"]);
    assert_eq!((fields.text(&HOST), fields.text(&ACCEPT)), (Some("a"), None));
    assert!(!fields.contains(&COOKIE) && fields.first(&COOKIE).is_none());
    assert_eq!(fields.len(), 7);
}

proptest! {
    #[test]
    fn typed_headers_and_fields_say_the_same(lines in prop::collection::vec(("[a-zA-Z-]{1,6}", "[ -~]{0,8}"), 0..8)) {
        let mut map = HeaderMap::new();
        let mut head = String::new();
        for (name, value) in &lines {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.trim().parse().unwrap());
            head.push_str(&format!("{name}:{value}\r\n"));
        }
        let fields = read(&(head + "\r\n")).unwrap();
        prop_assert_eq!(fields.to_map(), map.clone());
        prop_assert_eq!(Fields::from(&map).to_map(), map);
    }
}
