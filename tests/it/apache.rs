//! Debian's mod_auth_openidc in a real Apache, unmodified, as a client of the running authority. `.ci/test` installs it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::house::Plot;
use crate::support::{Answer, Browser, House, free_port, wire};

const PERSON: (&str, &str) = ("alice", "a sentence of alice");
const SECRET: &str = "web-secret-0123456789abcdef";

/// An Apache with a file of its own; ended with the test.
struct Apache {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
    cookies: BTreeMap<String, String>,
}

impl Drop for Apache {
    fn drop(&mut self) {
        // Its workers end when they are told, and not when their parent is killed.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

impl Apache {
    fn start(port: u16, issuer: &str, response_mode: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        std::fs::create_dir_all(at.join("www/secure")).unwrap();
        std::fs::write(at.join("www/secure/index.html"), "the secret page").unwrap();
        std::fs::write(at.join("apache.conf"), conf(at, port, issuer, response_mode)).unwrap();
        // Started as root it serves as somebody else, who has to get in.
        Command::new("chmod").args(["-R", "a+rX"]).arg(at).status().unwrap();
        let child = Command::new("/usr/sbin/apache2")
            .args(["-DFOREGROUND", "-d"])
            .arg(at)
            .arg("-f")
            .arg(at.join("apache.conf"))
            .stdout(Stdio::null())
            .spawn()
            .expect("`.ci/test` installs apache2");
        let apache = Self { child, port, folder, cookies: BTreeMap::new() };
        let start = std::time::Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < std::time::Duration::from_secs(20), "{}", apache.log());
            std::thread::yield_now();
        }
        apache
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }

    fn get(&mut self, target: &str) -> Answer {
        self.send("GET", target, "")
    }

    fn send(&mut self, method: &str, target: &str, form: &str) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = wire::exchange(
            self.port,
            format!(
                "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAccept: text/html\r\nCookie: {}\r\nContent-Length: {}\r\n\
                 Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n\r\n{form}",
                self.port,
                cookies.join("; "),
                form.len()
            ),
        );
        for line in answer.headers("set-cookie") {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() || line.contains("Thu, 01 Jan 1970") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}

fn conf(at: &Path, port: u16, issuer: &str, response_mode: &str) -> String {
    let at = at.display();
    let modules: String = ["mpm_event", "authn_core", "authz_core", "authz_user", "dir", "headers", "auth_openidc"]
        .iter()
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .collect();
    format!(
        r#"{modules}ServerName localhost
Listen 127.0.0.1:{port}
PidFile {at}/apache.pid
DefaultRuntimeDir {at}
Mutex file:{at} default
ErrorLog {at}/error.log
LogLevel warn auth_openidc:debug
DocumentRoot {at}/www
DirectoryIndex index.html
User www-data
Group www-data
OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID web
OIDCClientSecret {SECRET}
OIDCRedirectURI http://127.0.0.1:{port}/secure/callback
OIDCCryptoPassphrase a-passphrase-of-this-test
OIDCScope "openid profile email"
OIDCPKCEMethod S256
OIDCProviderTokenEndpointAuth client_secret_basic
OIDCResponseMode {response_mode}
OIDCRemoteUserClaim preferred_username
<Location /secure>
    AuthType openid-connect
    Require valid-user
    Header always set X-Seen-User "expr=%{{REMOTE_USER}}"
</Location>
"#
    )
}

/// The part of an address behind its host.
fn behind(url: &str, host: &str) -> String {
    url.strip_prefix(host).unwrap_or_else(|| panic!("{url} does not lie at {host}")).to_owned()
}

/// From the protected page over the authority's pages and back.
fn signs_in(apache: &mut Apache, browser: &mut Browser<'_>, issuer: &str) -> Answer {
    let own = format!("http://127.0.0.1:{}", apache.port);
    let away = apache.get("/secure/");
    assert_eq!(away.status, 302, "{away:?}");
    let page = browser.through(&behind(away.header("location"), issuer), PERSON);
    let back = if page.has("location") {
        apache.get(&behind(page.header("location"), &own))
    } else {
        let html = page.text();
        let action = html.split("action=\"").nth(1).unwrap_or_else(|| panic!("{html}")).split('"').next().unwrap();
        let fields = html.split("type=\"hidden\" name=\"").skip(1).map(|rest| {
            let (name, rest) = rest.split_once("\" value=\"").unwrap();
            let value = rest.split('"').next().unwrap();
            format!("{name}={}", url::form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>())
        });
        let form = fields.collect::<Vec<_>>().join("&");
        apache.send("POST", &behind(action, &own), &form)
    };
    assert_eq!(back.status, 302, "{back:?}\n{}", apache.log());
    apache.get(&behind(back.header("location"), &own))
}

fn is_content(response_mode: &str) {
    let (plot, port) = (Plot::new(), free_port());
    plot.write("alice", PERSON.1);
    plot.write("web", SECRET);
    let own = format!("http://127.0.0.1:{port}");
    let yaml = plot.yaml(&format!(
        "store: {{sqlite: store.db}}\n\
         authority:\n  issuer: http://127.0.0.1:{}\n  scopes: {{read: Read}}\n  \
         users: [{{name: alice, email: alice@example.com, password: {{file: alice}}}}]\n  clients:\n    \
         - {{id: web, secret: {{file: web}}, redirect_uris: [\"{own}/secure/callback\"], \
         post_logout_redirect_uris: [\"{own}/bye\"], grants: [authorization_code], scopes: [openid, profile, email]}}\n\
         routes:\n  - {{match: GET /read, access: {{scope: read}}, respond: echo}}\n",
        plot.port
    ));
    let house: House = plot.start(&yaml);
    let issuer = format!("http://127.0.0.1:{}", house.port);
    let mut apache = Apache::start(port, &issuer, response_mode);
    let mut browser = Browser::new(&house);

    let page = signs_in(&mut apache, &mut browser, &issuer);
    assert_eq!((page.status, page.text().as_str()), (200, "the secret page"), "{}", apache.log());
    assert_eq!(page.header("x-seen-user"), "alice");

    let leaving = apache.get(&format!("/secure/callback?logout={own}/bye"));
    let end = behind(leaving.header("location"), &issuer);
    assert!(end.contains("id_token_hint="), "{end}");
    let left = browser.get(&end);
    assert!(left.header("location").starts_with(&format!("{own}/bye")), "{left:?}");
    assert_eq!(apache.get("/secure/").status, 302, "signed out at the application");
    let again = browser.get(&format!(
        "/oauth/authorize?response_type=code&client_id=web&redirect_uri={own}/secure/callback&scope=openid&prompt=none\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
    ));
    assert!(again.header("location").contains("error=login_required"), "signed out at the authority: {again:?}");
}

#[test]
fn mod_auth_openidc_of_debian_is_content() {
    is_content("query");
}

#[test]
fn mod_auth_openidc_takes_a_posted_answer() {
    is_content("form_post");
}
