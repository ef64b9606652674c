//! The proxies, each started with its recipe of `docs/proxies/`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::programs::Programs;
use crate::child::Child;

/// The directory of the recipes.
pub(crate) const RECIPES: &str = "docs/proxies";
/// What the routes of the recipes need.
pub(crate) const SCOPE: &str = "/scope/articles:read";
/// Where Debian keeps Apache's modules.
const MODULES: &str = "/usr/lib/apache2/modules";

/// A proxy of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proxy {
    Nginx,
    Haproxy,
    Caddy,
    Traefik,
    Envoy,
    /// Envoy again, which asks over gRPC.
    EnvoyGrpc,
    Apache,
}

/// What the marked lines of a recipe become.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// For the filled-in recipe, logs and temporary files.
    pub(crate) folder: &'a Path,
    /// Where the proxy listens.
    pub(crate) port: u16,
    /// Where Keyward's doors are, or seem to be.
    pub(crate) keyward: u16,
    pub(crate) api: u16,
    /// What a route needs.
    pub(crate) scope: &'a str,
    /// For Apache alone: Keyward's certificate, and the door key.
    pub(crate) certificate: &'a Path,
    pub(crate) door_key: &'a str,
}

impl Proxy {
    pub(crate) const ALL: [Self; 7] = [
        Self::Nginx,
        Self::Haproxy,
        Self::Caddy,
        Self::Traefik,
        Self::Envoy,
        Self::EnvoyGrpc,
        Self::Apache,
    ];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Caddy => "caddy",
            Self::Traefik => "traefik",
            Self::Envoy => "envoy",
            Self::EnvoyGrpc => "envoy-grpc",
            Self::Apache => "apache",
        }
    }

    /// Whether it is a package of Debian, and may be missing on another machine.
    pub(crate) fn is_debians(self) -> bool {
        matches!(self, Self::Haproxy | Self::Apache)
    }

    /// Starts it. It does not listen yet.
    pub(crate) fn start(self, programs: &Programs, place: Place<'_>) -> Result<Child> {
        fs::create_dir_all(place.folder).context("making a proxy's directory")?;
        let command = match self {
            Self::Nginx => nginx(programs, place),
            Self::Haproxy => haproxy(place),
            Self::Caddy => caddy(programs, place),
            Self::Traefik => traefik(programs, place),
            Self::Envoy => envoy(programs, place, "envoy/envoy.yaml"),
            Self::EnvoyGrpc => envoy(programs, place, "envoy/envoy-grpc.yaml"),
            Self::Apache => apache(place),
        };
        let command = command.with_context(|| format!("preparing {}", self.name()))?;
        Child::start(command, place.folder.join("log"), place.port)
    }
}

impl Place<'_> {
    /// A recipe with its marked lines filled in. A mark that is not there is an error.
    fn filled(&self, recipe: &str, marks: &[(&str, String)]) -> Result<String> {
        let path = Path::new(RECIPES).join(recipe);
        let mut text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        // Of the recipe's files, one has the scope.
        text = text.replace(SCOPE, self.scope);
        let (before, scope) = (word(SCOPE), word(self.scope));
        text = text.replace(&format!("\"{before}\""), &format!("\"{scope}\""));
        for (mark, value) in marks {
            ensure!(text.contains(mark), "{} has no `{mark}`", path.display());
            text = text.replace(mark, value);
        }
        Ok(text)
    }

    /// Copies a recipe to the proxy's directory, filled in.
    fn fill(&self, recipe: &str, marks: &[(&str, String)]) -> Result<()> {
        let name = recipe.rsplit('/').next().unwrap_or(recipe);
        self.write(name, &self.filled(recipe, marks)?)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }

    /// The addresses of Keyward and of the API, as most recipes have them.
    fn peers(&self) -> [(&'static str, String); 2] {
        let at = |port: u16| format!("127.0.0.1:{port}");
        [("127.0.0.1:8002", at(self.keyward)), ("127.0.0.1:3000", at(self.api))]
    }

    /// The peers, and the line that says where to listen.
    fn marks(&self, listen: &'static str, value: String) -> Vec<(&'static str, String)> {
        let mut marks = self.peers().to_vec();
        marks.push((listen, value));
        marks
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

/// The last word of a path.
fn word(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn nginx(programs: &Programs, place: Place<'_>) -> Result<Command> {
    let listen = format!("listen 127.0.0.1:{};", place.port);
    let servers = place.filled("nginx/keyward.conf", &place.marks("listen 8080;", listen))?;
    nginx_with(&programs.nginx, place.folder, &servers)
}

/// An nginx whose directory `conf.d` has one file.
pub(crate) fn nginx_with(program: &Path, folder: &Path, servers: &str) -> Result<Command> {
    let main = "daemon off;\nworker_processes 1;\npid nginx.pid;\nevents {}\nhttp {\n    \
                access_log off;\n    client_body_temp_path body;\n    \
                proxy_temp_path proxied;\n    \
                include keyward.conf;\n}\n";
    fs::write(folder.join("nginx.conf"), main).context("writing nginx.conf")?;
    fs::write(folder.join("keyward.conf"), servers).context("writing keyward.conf")?;
    let mut command = Command::new(program);
    command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(folder);
    Ok(command)
}

fn haproxy(place: Place<'_>) -> Result<Command> {
    let mut marks = place.marks("bind :8080", format!("bind 127.0.0.1:{}", place.port));
    marks.push(("/etc/haproxy/keyward.lua", place.path("keyward.lua")));
    place.fill("haproxy/haproxy.cfg", &marks)?;
    place.fill("haproxy/keyward.lua", &[])?;
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(place.path("haproxy.cfg"));
    Ok(command)
}

fn caddy(programs: &Programs, place: Place<'_>) -> Result<Command> {
    // Several run at a time, and each would open the port of its own control plane.
    let site = format!("{{\n\tadmin off\n}}\n\n:{} {{", place.port);
    place.fill("caddy/Caddyfile", &place.marks(":8080 {", site))?;
    let mut command = Command::new(&programs.caddy);
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(place.path("Caddyfile"));
    command.env("XDG_DATA_HOME", place.folder).env("XDG_CONFIG_HOME", place.folder);
    Ok(command)
}

fn traefik(programs: &Programs, place: Place<'_>) -> Result<Command> {
    let marks = [
        (":8080", format!("127.0.0.1:{}", place.port)),
        ("/etc/traefik/keyward.yml", place.path("keyward.yml")),
    ];
    place.fill("traefik/traefik.yml", &marks)?;
    place.fill("traefik/keyward.yml", &place.peers())?;
    let mut command = Command::new(&programs.traefik);
    command.arg(format!("--configFile={}", place.path("traefik.yml")));
    Ok(command)
}

fn envoy(programs: &Programs, place: Place<'_>, recipe: &str) -> Result<Command> {
    let at = |port: u16| format!("port_value: {port}");
    let marks = [
        ("port_value: 8080", at(place.port)),
        ("port_value: 8002", at(place.keyward)),
        ("port_value: 3000", at(place.api)),
    ];
    place.fill(recipe, &marks)?;
    let mut command = Command::new(&programs.envoy);
    // Several run at a time, each with memory that it shares with none.
    command.args(["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warn"]);
    command.arg("-c").arg(place.path(recipe.trim_start_matches("envoy/")));
    Ok(command)
}

fn apache(place: Place<'_>) -> Result<Command> {
    let mut marks = place.marks("Listen 8080", format!("Listen 127.0.0.1:{}", place.port));
    marks.push(("*:8080", format!("127.0.0.1:{}", place.port)));
    marks.push(("/etc/keyward/doors.pem", place.certificate.display().to_string()));
    marks.push(("the-door-key", place.door_key.to_owned()));
    place.fill("apache/keyward.conf", &marks)?;
    let modules = [
        "mpm_event",
        "authn_core",
        "authz_core",
        "authz_host",
        "setenvif",
        "headers",
        "proxy",
        "proxy_http",
        "auth_openidc",
    ];
    let modules = modules.map(|name| format!("LoadModule {name}_module {MODULES}/mod_{name}.so\n"));
    let folder = place.folder.display();
    let rest = format!(
        "ServerRoot {folder}\nPidFile {folder}/pid\nMutex file:{folder} default\n\
         ServerName localhost\nErrorLog /dev/stderr\nLogLevel warn\nInclude {folder}/keyward.conf\n"
    );
    place.write("httpd.conf", &(modules.concat() + &rest))?;
    let mut command = Command::new("apache2");
    command.arg("-f").arg(place.path("httpd.conf")).arg("-DFOREGROUND");
    Ok(command)
}
