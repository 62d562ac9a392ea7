//! Look-up of a route, with ten routes and with ten thousand: the time must not follow the number.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use http::Method;
use portcullis::gate::table::{Found, Pattern, Table};

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
/// Prime, so that steps of it visit every route before one comes again.
const STRIDE: usize = 7_919;

/// Which paths are asked for.
#[derive(Clone, Copy)]
enum Asked {
    /// One path again and again: what the look-up itself costs.
    One,
    /// The paths of all routes in turn: with it what the CPU's caches make of a large table.
    Each,
    /// A path that no route has.
    None,
}

const ASKED: [(&str, Asked); 3] = [("one path", Asked::One), ("each path", Asked::Each), ("no route", Asked::None)];

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("routes");
    let mut least = [[f64::INFINITY; SIZES.len()]; ASKED.len()];
    for (column, routes) in SIZES.into_iter().enumerate() {
        let table = table(routes);
        for (row, (name, asked)) in ASKED.into_iter().enumerate() {
            let paths = paths(routes, asked);
            let least = &mut least[row][column];
            group.bench_function(BenchmarkId::new(name, routes), |bencher| {
                bencher.iter_custom(|times| {
                    let passed = look_up(&table, &paths, times);
                    *least = least.min(passed.as_secs_f64() * 1e9 / times as f64);
                    passed
                });
            });
        }
    }
    group.finish();
    if std::env::args().any(|argument| argument == "--bench") && least.iter().flatten().all(|nanos| nanos.is_finite()) {
        show(&least);
    }
}

/// The least of all samples side by side: growth is what one looks for here.
fn show(least: &[[f64; SIZES.len()]]) {
    println!("route look-up, ns (times that with {} routes)", SIZES[0]);
    print!("{:<12}", "routes");
    SIZES.iter().for_each(|routes| print!("{routes:>18}"));
    println!();
    for ((name, _), row) in ASKED.iter().zip(least) {
        print!("{name:<12}");
        row.iter().for_each(|nanos| print!("{:>18}", format!("{nanos:.1} (x{:.2})", nanos / row[0])));
        println!();
    }
    println!();
}

fn look_up(table: &Table<usize>, paths: &[String], times: u64) -> Duration {
    let mut all = paths.iter().cycle();
    let start = Instant::now();
    for _ in 0..times {
        if let Some(path) = all.next() {
            black_box(table.find(black_box("api.example.com"), path, &Method::GET));
        }
    }
    start.elapsed()
}

/// All routes stand side by side below one host, each with a name in its path.
fn table(routes: usize) -> Table<usize> {
    let route = |number: usize| {
        let text = format!("GET,POST api.example.com/service-{number}/items/{{id}}");
        (vec![Pattern::parse(&text).expect("a pattern")], number)
    };
    let table = Table::build((0..routes).map(route).collect()).unwrap_or_else(|ties| panic!("{ties:?}"));
    let last = format!("/service-{}/items/7", routes - 1);
    assert!(
        matches!(table.find("api.example.com", &last, &Method::GET), Found::Route { value, .. } if *value == routes - 1)
    );
    table
}

fn paths(routes: usize, asked: Asked) -> Vec<String> {
    let path = |number: usize| format!("/service-{number}/items/7");
    match asked {
        Asked::One => vec![path(routes / 2)],
        Asked::Each => (0..routes).map(|step| path(step * STRIDE % routes)).collect(),
        Asked::None => vec![path(routes)],
    }
}
