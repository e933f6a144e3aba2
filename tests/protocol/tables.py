"""The tables of docs/protocol.md: sections 5, 6, 12, 15 and 17."""

from codec import BOOL, BYTES, MAP, TEXT, U16, U32, U64, Enum, Fixed, List, Option, Struct

ID = Fixed(16)
HASH = Fixed(32)

SUITE = Enum("plain", "bearer", "sealed")
BINDING_KIND = Enum("None", "TlsExporter")
REJECT_REASON = Enum("unauthenticated", "disabled", "wrong_project", "replaced")
DENIAL = Enum(("Rejected", REJECT_REASON), "Busy", "NoCommonSuite", ("TooShort", U32))
OUTCOME = Enum("ok", "failed", "aborted")
REFUSAL = Enum("withdrawn", "job_gone", "other_ssid", "bad_digest", "too_big")
RETURN_CODE = Enum(
    "ok",
    "timeout",
    "invalid_target",
    "target_unreachable",
    "comm_error",
    "msg_too_big",
    "filter_error",
    "invalid_request",
    "process_exception",
    "authentication_error",
    "service_unavailable",
    "invalid_session",
    "abort_run",
    "unauthenticated",
)

CHALLENGE = Struct(
    suites=List(SUITE),
    project=HASH,
    binding=BINDING_KIND,
    client_nonce=ID,
    client_share=Option(HASH),
    padding=BYTES,
)
CHALLENGE_REPLY = Struct(
    suite=SUITE, client_nonce=ID, server_nonce=ID, server_share=Option(HASH), cookie=Fixed(48)
)
IDENTITY = Struct(
    name=TEXT,
    instance=ID,
    chain=BYTES,
    want_token=BOOL,
    address=TEXT,
    site_info=MAP,
    context=MAP,
)
GRANT = Struct(
    token=Option(ID), token_signature=BYTES, ssid=ID, issued=U64, expires=U64, interval=U64
)
DENIED = Struct(denial=DENIAL, message=TEXT, retry_after=Option(U64))

PLACE = Enum("Inline", ("Apart", Struct(size=U64, digest=HASH)))
PAYLOAD_HEAD = Struct(content_type=TEXT, encoding=TEXT, place=PLACE)
TASK_HEAD = Struct(task=ID, name=TEXT, ssid=ID, headers=MAP, payload=PAYLOAD_HEAD)

REQUEST = Enum(
    (
        "Heartbeat",
        Struct(
            jobs=List(Struct(job=ID, progress=Option(U16))), suspending=Option(U64), context=MAP
        ),
    ),
    ("PullTask", Struct(job=ID, last_task=Option(ID), context=MAP)),
    (
        "SubmitResult",
        Struct(
            job=ID,
            task=ID,
            ssid=ID,
            outcome=OUTCOME,
            headers=MAP,
            payload=PAYLOAD_HEAD,
            context=MAP,
        ),
    ),
    ("Fetch", Struct(job=ID, task=ID, offset=U64, len=U32)),
    ("Push", Struct(job=ID, task=ID, offset=U64)),
    ("Quit", Struct(reason=TEXT, context=MAP)),
)
REPLY = Enum(
    (
        "Heartbeat",
        Struct(generation=U64, abort=List(ID), start=List(ID), interval=U64),
    ),
    (
        "PullTask",
        Enum(("Task", TASK_HEAD), ("TryAgain", Struct(after=U64, timeout=U64)), "RunEnded"),
    ),
    (
        "SubmitResult",
        Enum("Accepted", ("SendFrom", U64), ("Refused", REFUSAL), ("Later", U64)),
    ),
    ("Fetch", Enum(("Bytes", Struct(offset=U64)), "Gone")),
    ("Push", Enum(("Wanted", U64), "Unknown")),
    ("Quit", Struct(message=TEXT)),
    ("Failed", Struct(code=RETURN_CODE, message=TEXT, retry_after=Option(U64))),
)

OWNER = Struct(client=TEXT, order=U64)
ENTRY = Struct(
    task=ID, job=ID, created=U64, owner=Option(OWNER), name=TEXT, headers=MAP
)
SITES = Enum("All", ("Named", List(TEXT)))
SERVER_RECORD = Enum(
    ("Ssid", Struct(ssid=ID)),
    ("Snapshot", Struct(ssid=ID, last=U64, next_order=U64)),
    ("JobStarted", Struct(job=ID, sites=SITES)),
    ("JobEnded", Struct(job=ID)),
    ("Disabled", Struct(client=TEXT)),
    ("Enabled", Struct(client=TEXT)),
    ("Payload", Struct(id=HASH, labels=PAYLOAD_HEAD)),
    ("Task", Struct(entry=ENTRY, input=HASH)),
    ("Claimed", Struct(task=ID, owner=OWNER)),
    ("Withdrawn", Struct(task=ID)),
    ("Reassigned", Struct(old=ID, new=ID, created=U64, owner=Option(OWNER))),
    ("Block", Struct(task=ID, size=U64, digest=HASH, index=U64, list=BYTES)),
    ("UploadDropped", Struct(task=ID)),
    (
        "Result",
        Struct(task=ID, outcome=OUTCOME, headers=MAP, context=MAP, labels=PAYLOAD_HEAD),
    ),
    ("Taken", Struct(task=ID)),
    ("Closed", Struct(entry=ENTRY, taken=BOOL)),
)
CLIENT_RECORD = Enum(
    ("Task", Struct(job=ID, head=TASK_HEAD)),
    (
        "Result",
        Struct(
            job=ID,
            task=ID,
            ssid=ID,
            outcome=OUTCOME,
            ticket=BYTES,
            headers=MAP,
            content_type=TEXT,
            encoding=TEXT,
        ),
    ),
    ("Settled", Struct(task=ID)),
    ("JobEnded", Struct(job=ID)),
    ("Fetch", Struct(job=ID, head=TASK_HEAD)),
    ("Block", Struct(job=ID, task=ID, index=U64)),
    ("Last", Struct(job=ID, task=ID)),
    ("Dropped", Struct(job=ID, task=ID)),
    ("Snapshot", Struct(last=U64)),
)
