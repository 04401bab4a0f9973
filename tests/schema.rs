//! The column reference in docs/ is what the program prints.

use perfwatch::collect::catalog;
use perfwatch::commands::schema;

const FILE: &str = "docs/COLUMNS.md";

#[test]
fn the_column_reference_is_what_schema_prints() {
    let tables: Vec<_> = catalog::tables().iter().collect();
    let printed = schema::markdown(&tables);
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let written = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // The first differing line is more useful than two whole documents.
    let (mut ours, mut theirs) = (printed.lines(), written.lines());
    for number in 1.. {
        let (now, then) = (ours.next(), theirs.next());
        assert_eq!(
            now, then,
            "line {number} of {FILE} is not what the declarations say (left: they, right: the file). Regenerate it: \
             cargo run --quiet -- schema --format markdown > {FILE}"
        );
        if now.is_none() {
            break;
        }
    }
    assert!(printed == written, "{FILE} differs in its line ends; regenerate it");
}
