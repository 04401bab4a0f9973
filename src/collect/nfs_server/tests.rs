//! The file of several kernels.

use super::super::options::Options;
use super::parse::Operation;
use super::*;
use crate::linux::files::Roots;
use crate::table::sample::Cell;

/// After Linux 6.x; counts by their positions.
fn modern(reads: u64) -> String {
    let v4: String = (0..76).map(|n| if n == 25 { format!(" {reads}") } else { " 0".into() }).collect();
    format!(
        "rc 3 4711 815\nfh 6 0 0 0 0\nio 7340032 1048576\nth 8 0 0.000 0.000\nra 32 0 0\nnet 5600 0 5599 17\n\
         rpc 5529 2 1 1 0\nproc3 22 2 300 4 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 9\nproc4 2 1 5200\n\
         proc4ops 76{v4}\nwdeleg_getattr 0\n"
    )
}

#[test]
fn each_number_finds_its_place() {
    let server = parse(modern(60).as_bytes());
    let occurred: Vec<_> = server.operations.iter().filter(|o| o.count > 0).copied().collect();
    let of = |version, number, count| Operation { version, number, count };
    let expected = [
        of("v3", 0, 2),
        of("v3", 1, 300),
        of("v3", 2, 4),
        of("v3", 21, 9),
        of("v4 calls", 0, 1),
        of("v4 calls", 1, 5200),
        of("v4", 25, 60),
    ];
    assert_eq!(occurred, expected);
    let totals = Server {
        cache_hits: Some(3),
        cache_misses: Some(4711),
        cache_uncached: Some(815),
        stale_handles: Some(6),
        read_bytes: Some(7_340_032),
        write_bytes: Some(1_048_576),
        threads: Some(8),
        tcp_connections: Some(17),
        calls: Some(5529),
        bad_calls: Some(2),
        operations: server.operations.clone(),
    };
    assert_eq!(server, totals);
}

#[test]
fn damage_loses_what_is_damaged() {
    assert_eq!(parse(b""), Server::default());
    assert_eq!(parse(b"rc\nio x y\nproc3\nproc3 x 1\nproc9 2 1 1\nproc3 99999999999999999999 1\n"), Server::default());
    let server = parse(b"io 5\nproc3 22 1 x 3\nproc4 1 7 8 9\n");
    assert_eq!((server.read_bytes, server.write_bytes), (Some(5), None));
    assert_eq!(server.operations.iter().map(|o| (o.number, o.count)).collect::<Vec<_>>(), [(0, 1), (2, 3), (0, 7)]);
}

#[test]
fn operations_that_occur_for_the_first_time_are_new() {
    let dir = tempfile::tempdir().unwrap();
    let roots = Roots { proc: dir.path().into(), sys: dir.path().into() };
    let setup = Setup::new(roots, Options::default());
    let why = open(&setup).err().unwrap();
    assert!(why.reason.starts_with("this machine is no NFS server: no "), "{}", why.reason);
    std::fs::create_dir_all(dir.path().join("net/rpc")).unwrap();
    let put = |text: &str| std::fs::write(dir.path().join("net/rpc/nfsd"), text).unwrap();
    put(&modern(0));
    let mut opened = open(&setup).ok().unwrap();
    let mut rows = || {
        let catalog = [SERVER.def(), OPERATION.def()];
        let mut sample = Sample::new(&catalog);
        opened.collector.collect(1, &mut sample).map_err(|error| error.to_string())?;
        let text = |cell: &Cell| match cell {
            Cell::Text(id) => sample.texts.get(*id).unwrap().to_string(),
            Cell::Int(n) => n.to_string(),
            Cell::Bool(b) => b.to_string(),
            other => panic!("{other:?}"),
        };
        let cells = sample.cells_of(&sample.blocks[1]);
        Ok::<Vec<String>, String>(
            cells.chunks(4).map(|row| row.iter().map(text).collect::<Vec<_>>().join(" ")).collect(),
        )
    };
    let old = |new: &str| {
        let mut rows: Vec<String> = [
            "v3 NULL false 2",
            "v3 GETATTR false 300",
            "v3 SETATTR false 4",
            "v3 COMMIT false 9",
            "v4 calls NULL false 1",
            "v4 calls COMPOUND false 5200",
        ]
        .map(String::from)
        .into();
        rows.extend((!new.is_empty()).then(|| new.to_string()));
        rows
    };
    assert_eq!(rows().unwrap(), old(""));
    put(&modern(5));
    assert_eq!(rows().unwrap(), old("v4 READ true 5"));
    put(&modern(6));
    assert_eq!(rows().unwrap(), old("v4 READ false 6"));
    put("");
    assert!(rows().unwrap_err().ends_with("none of the counters of an NFS server"));
}

proptest::proptest! {
    #[test]
    fn any_bytes_do_no_harm(text: Vec<u8>, lines in "(rc|proc3|proc4ops|io|th|net|rpc| [0-9]{0,22}|\n){0,30}") {
        parse(&text);
        parse(lines.as_bytes());
    }
}
