//! The long texts of `--help`. The examples in them are tested against the options.

pub(super) const OVERVIEW: &str = "\
To see a federation work, on this machine alone:
  fedlink demo

To train with a program of your own, in a federation on this machine:
  fedlink try plus.toml --sites 3 -- python3 -m fedlink.flare client.py

To run one of your own, make its kits, carry each to its machine, and start there:
  fedlink provision --project wine --host 192.0.2.7 --sites site-1,site-2
  fedlink serve --kit wine/server
  fedlink join --kit wine/sites/site-1 --share 1/2

To see what one server does with a million clients, in a minute:
  fedlink simulate

Set RUST_LOG to see more: RUST_LOG=info, or RUST_LOG=fedlink=trace for every message.
";

pub(super) const DEMO: &str = "\
Runs a whole federation on this machine and shows what it withstands.

Makes a project in a temporary folder, starts a coordinator and its sites as peers of
their own, and trains a model of red wines across them. On the way a connection is cut in
the middle of an upload, a site and the coordinator are each dropped and come back from
what they had stored, and a second job is aborted.

Succeeds only if the federation is as good as one party with all the data (by 0.02), no
worse than the median site on its own, nothing was lost, and every fault took place.";

pub(super) const DEMO_EXAMPLES: &str = "\
Examples:
  fedlink demo
  fedlink demo --sites 3 --rounds 10 --seed 7
  fedlink demo --payload-mib 64 --transport tcp
  fedlink demo --quiet --json
";

pub(super) const PROVISION: &str = "\
Makes a project: certificates and a kit for the coordinator and for each site.

The folder that it makes has three parts. authority/ stays with whoever runs the project:
with the key in it sites are made. server/ goes to the coordinator, sites/NAME/ to the
site of that name. Each kit has a README.txt that says how to start it. Nothing is ever
overwritten, but for the certificates that --renew makes anew.

--renew makes a new certificate and keeps the key, so that certificate.pem is all that has
to be sent. A certificate that was revoked is renewed with a new key. --revoke revokes all
certificates of a site: their list is revoked.pem in server/, which goes to the kit of the
coordinator. Coordinators and sites that run take all of that up within seconds.

--transport wss is for sites whose firewalls let out HTTP over TLS alone, on port 443: messages
go over WebSocket within TLS. A reverse proxy in front of the coordinator has to pass TLS
through, since both ends show certificates of the project in it.";

pub(super) const PROVISION_EXAMPLES: &str = "\
Examples:
  fedlink provision --project wine --host 192.0.2.7 --sites bordeaux,porto,mosel
  fedlink provision --project wine --host fl.example.org:443 --site porto --out /srv/wine
  fedlink provision --project wine --host fl.example.org --sites porto --transport wss
  fedlink provision --project rig --host 127.0.0.1 --sites a,b --suite plain --transport tcp
  fedlink provision --out /srv/wine --add-site rioja,tokaj
  fedlink provision --out /srv/wine --renew porto,coordinator
  fedlink provision --out /srv/wine --revoke mosel
";

pub(super) const SERVE: &str = "\
Runs the coordinator of a project.

Waits for its sites, trains a model of red wines across them, and prints what each round
came to. A round with fewer results than --min-results never ends: it waits, and says for
whom. Started again with another --min-results, it goes on with that. Ctrl-C ends it properly. Started again, it goes on where it was.";

pub(super) const SERVE_EXAMPLES: &str = "\
Examples:
  fedlink serve --kit wine/server
  fedlink serve --kit wine/server --sites 3 --rounds 50
  fedlink serve --kit wine/server --sites 3 --min-results 2 --deadline 10m
";

pub(super) const JOIN: &str = "\
Runs a site of a project.

Registers with the coordinator, trains on its own share of the wines when it is asked to,
and returns the model, never the wines. Ctrl-C ends it properly. Started again, it goes on
where it was.

With --nvflare it takes part in a federation of NVIDIA FLARE 2.5 to 2.9, with the kit of a
site as it is. It trains on its share of the wines if the job's model is of that shape, or
runs any program for each task: the program finds the arrays of the task in the .npz file
that its last but one argument names, and leaves those of the result in the one that its
last argument names. docs/nvflare.md says all about it.";

pub(super) const JOIN_EXAMPLES: &str = "\
Examples:
  fedlink join --kit wine/sites/porto --share 1/3
  fedlink join --kit wine/sites/mosel --share 2/3 --seed 7
  fedlink join --nvflare workspace/site-1 --once
  fedlink join --nvflare workspace/site-1 --share 1/2
  fedlink join --nvflare workspace/site-1 --state state --exec python3 train.py -- --rate 0.1
";

pub(super) const CHECK: &str = "\
Looks at a kit and at the way to its coordinator, and says what to do.

Of a site: its files, the dates of its certificate, this machine's clock, the folder for
state, the suite, and for each address of the coordinator its name, TCP, TLS, the dates of
its certificate, and what it answers. The coordinator is asked to prove itself; nothing there
changes. With --register the site registers and leaves, which shows whether it and its project
are taken and how far apart the clocks are; a process of the same name that is at work loses
its registration. `fedlink serve` does not count it as one of its sites.

Of a coordinator: its files, the dates of its certificate, the folder for state, and whether
it can listen at its addresses or does so already.

Nothing is changed in the folder for state, and nobody is kept from it. What is right and has
to be seen to soon is marked \"watch\". Succeeds unless something is wrong.";

pub(super) const CHECK_EXAMPLES: &str = "\
Examples:
  fedlink check --kit wine/sites/porto
  fedlink check --kit wine/server --json
  fedlink check --nvflare workspace/site-1
";

#[cfg(unix)]
pub(super) const TRY: &str = "\
Trains in rounds with a program of your own, in a whole federation on this machine.

FILE is a job file: which model to begin with, how many rounds, how many sites. Paths in it are
relative to it. What follows -- is the program: each site runs it once, for all of its rounds, in
the current folder. It speaks the protocol of docs/trainers.md; `python3 -m fedlink.flare
client.py` runs scripts for NVFlare's Client API as they are.

Each round is one line: who is in its model, who is not and why, how long it took, and how good
the model was that it began with. Models and all that happened are in a folder NAME-id, what the
program of a site prints in sites/NAME/trainer.log there. Nothing is listened to and no
certificate is made.

Succeeds if the job is done. It ends as soon as it cannot go on. Ctrl-C aborts it.";

#[cfg(unix)]
pub(super) const TRY_EXAMPLES: &str = "\
Examples:
  fedlink try plus.toml --sites 3 -- python3 -m fedlink.flare client.py
  fedlink try digits.toml --set rounds=3 --set config.lr=0.1 -- python3 train.py --data .
  fedlink try digits.toml --out runs --quiet --json -- Rscript train.R
";

pub(super) const SIMULATE: &str = "\
Puts a million clients before one server, in simulated time, and prints figures.

The server is the real one: every message goes through its machine as it would in a
federation, with handshakes, sessions, timers and tasks. Two things are left out. The suite
is plain, so that nobody proves anything: signature checks are stubbed, and so is
encryption. And the clients are stand-ins: they speak the protocol and wait, repeat and back
off by the rules of the real client, but take 48 bytes each. Nothing is stored on disk:
records count as stored at once.

Clients join one after another, send heartbeats, and some of them work on a job. Messages
are late, and some are lost. Succeeds only if at the end all clients are at work, nobody was
taken for dead, and each result arrived exactly once.

With --storm the server is lost while all are at work. It is restored from its records,
which hold jobs, tasks and results but no sessions, so all clients come at once to register
anew. The server's core is simulated too: each message takes it a stated time, and others
wait in front of it. A registration takes as long as both messages of a handshake of suite
sealed in benches/handshake.rs; one of suite bearer takes 100us. Whoever comes when the
server has begun as many handshakes as it may is told when to come again. Succeeds only if,
with jitter, all are at work again within 60 s and no limit of the server was passed.

The same seed gives the same figures, but for real time and memory.";

pub(super) const SIMULATE_EXAMPLES: &str = "\
Examples:
  fedlink simulate
  fedlink simulate --clients 10000 --duration 2m --loss 5 --plot load.svg
  fedlink simulate --storm --plot storm.svg
  fedlink simulate --storm --clients 20000 --register-cost 500us --quiet --json
";
