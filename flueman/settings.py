"""Settings: each value read from the environment once, typed, with a default that is safe on a laptop.

Every variable is named in `.env.example`; unsafe or contradictory values are system checks (`flueman/checks.py`).
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

import dj_database_url
from django.utils.translation import gettext_lazy as _

from flueman import __version__, env, mail, openapi, secrets

BASE_DIR = Path(__file__).resolve().parent.parent
FLUEMAN_HOME = env.path("FLUEMAN_HOME", BASE_DIR / "var")

# -- where this runs ---------------------------------------------------------------------------------------------------
ENVIRONMENT = env.choice("ENVIRONMENT", "LOCAL", ("LOCAL", "TEST", "STAGE", "PROD"))
IS_PRODUCTION = ENVIRONMENT in ("STAGE", "PROD")
DEBUG = env.flag("DEBUG", False)
HOST = env.text("HOST", "127.0.0.1")
PORT = env.integer("PORT", 8000, least=1)
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS", () if IS_PRODUCTION else ("*",))
CSRF_TRUSTED_ORIGINS = env.items("CSRF_TRUSTED_ORIGINS")
VERSION = __version__
WEB_THREADS = env.integer("WEB_THREADS", 8, least=1)

# -- secrets: production brings its own, an embedded installation makes them at its first start ------------------------
_made = {} if IS_PRODUCTION else secrets.load_or_make(FLUEMAN_HOME)
SECRET_KEY = env.text("SECRET_KEY", _made.get("SECRET_KEY", ""))
API_KEY_PEPPER = env.text("API_KEY_PEPPER", _made.get("API_KEY_PEPPER", ""))
AUDIT_SALT = env.text("AUDIT_SALT", _made.get("AUDIT_SALT", ""))
SEALING_KEYS = env.items("SEALING_KEYS", [key for key in _made.get("SEALING_KEYS", "").split(",") if key])
JWT_PRIVATE_KEY = env.text("JWT_PRIVATE_KEY").replace("\\n", "\n")

# -- apps --------------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "flueman.apps.FluemanConfig",
    "unfold",
    "flueman.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_q",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "common",
    "audit",
    "guards",
    "jobs",
    "notify",
    "axes",
    "accounts",
    "files",
    "datasets",
    "registry",
    "inference",
    "feedback",
]
MIDDLEWARE = [
    "common.middleware.RequestIdMiddleware",
    "common.policies.ContentPolicyMiddleware",
    "common.middleware.ComposedPathMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "accounts.middleware.BrowserSessionMiddleware",
    "accounts.middleware.SecondFactorMiddleware",
    "accounts.middleware.PersonalSettingsMiddleware",
]
ROOT_URLCONF = "flueman.urls"
WSGI_APPLICATION = "flueman.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# -- database ----------------------------------------------------------------------------------------------------------
DATABASE_URL = env.address("DATABASE_URL", f"sqlite:///{quote(str(FLUEMAN_HOME / 'flueman.sqlite3'))}")
DATABASE_COLLATION = env.text("DATABASE_COLLATION", "utf8mb4_nopad_bin")
LOCK_TIMEOUT_S = 10  # how long a statement waits for rows that others hold
DATABASES = {"default": dj_database_url.parse(DATABASE_URL, conn_max_age=600, conn_health_checks=True)}
_database = DATABASES["default"]
_database["TEST"] = {}
if _database["ENGINE"].endswith("sqlite3"):
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
    _database["TEST"] = {"NAME": env.text("FLUEMAN_TEST_DATABASE_FILE", str(FLUEMAN_HOME / "test.sqlite3"))}
elif _database["ENGINE"].endswith("mysql"):
    _database["OPTIONS"] = {
        **_database.get("OPTIONS", {}),
        "charset": "utf8mb4",
        "isolation_level": "read committed",
        "init_command": f"SET innodb_lock_wait_timeout={LOCK_TIMEOUT_S}, "
        "sql_mode='STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO'",
        "connect_timeout": 5,
    }
    _database["TEST"] = {"CHARSET": "utf8mb4", "COLLATION": DATABASE_COLLATION}
elif _database["ENGINE"].endswith("postgresql"):
    _database["OPTIONS"] = {
        **_database.get("OPTIONS", {}),
        "options": f"-c lock_timeout={LOCK_TIMEOUT_S}s -c idle_in_transaction_session_timeout=60s",
        "connect_timeout": 5,
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# -- cache: Redis when there, this process's memory when not -----------------------------------------------------------
REDIS_URL = env.address("REDIS_URL")
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

# -- files: `file:///folder`, `s3://bucket?endpoint_url=…&region_name=…` or `gs://bucket?project_id=…` -----------------
STORAGE_URL = env.address("STORAGE_URL", f"file://{quote(str(FLUEMAN_HOME / 'blobs'))}")
_storage = urlsplit(STORAGE_URL)
_bucket = {"bucket_name": _storage.netloc, "location": _storage.path.strip("/"), "file_overwrite": True}
_bucket |= {"default_acl": None, **{name: values[0] for name, values in parse_qs(_storage.query).items()}}
_stores = {
    "file": ("django.core.files.storage.FileSystemStorage", {"location": unquote(_storage.path)}),
    "gs": ("files.google.GoogleStore", _bucket),
    "s3": ("storages.backends.s3.S3Storage", {"signature_version": "s3v4", **_bucket}),
}
STORAGES = {
    "default": dict(zip(("BACKEND", "OPTIONS"), _stores.get(_storage.scheme, _stores["s3"]), strict=True)),
    "staticfiles": {"BACKEND": "flueman.static.StaticStorage"},
}
STATIC_URL = "/static/"
STATIC_ROOT = FLUEMAN_HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024
MAX_UPLOAD_BYTES = env.integer("MAX_UPLOAD_BYTES", 8 * 1024**3)
FILES_QUOTA_BYTES = env.integer("FILES_QUOTA_BYTES", 0)
FILES_USER_QUOTA_BYTES = env.integer("FILES_USER_QUOTA_BYTES", 0)
FILES_BIN_DAYS = env.integer("FILES_BIN_DAYS", 7)
DELETED_KEEP_DAYS = env.integer("DELETED_KEEP_DAYS", 30)
JOBS_KEEP_DAYS = env.integer("JOBS_KEEP_DAYS", 30)  # 0 for good
FILES_UPLOAD_HOURS = env.integer("FILES_UPLOAD_HOURS", 24, least=1)
FILES_REDIRECT = env.flag("FILES_REDIRECT", False)
FILES_BASIC_USER = env.text("FILES_BASIC_USER")
FILES_BASIC_PASSWORD = env.text("FILES_BASIC_PASSWORD")

# -- audit: signed by the worker, anchored outside of the database -----------------------------------------------------
AUDIT_SIGNING_KEY = env.text("AUDIT_SIGNING_KEY").replace("\\n", "\n")
AUDIT_KEY_PATH = env.path("AUDIT_KEY_PATH", FLUEMAN_HOME / "audit" / "signing.pem")
AUDIT_TRUSTED_KEYS = env.items("AUDIT_TRUSTED_KEYS")
AUDIT_ANCHOR_URL = env.address("AUDIT_ANCHOR_URL", f"file://{quote(str(FLUEMAN_HOME / 'anchor'))}")
AUDIT_CHECKPOINT_EVENTS = env.integer("AUDIT_CHECKPOINT_EVENTS", 1000, least=1)
AUDIT_CHECKPOINT_MINUTES = env.integer("AUDIT_CHECKPOINT_MINUTES", 5, least=1)
AUDIT_EXPORT_DAYS = env.integer("AUDIT_EXPORT_DAYS", 7, least=1)

# -- people and credentials --------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "/admin/login/"
ACCESS_TOKEN_LIFETIME = timedelta(minutes=env.integer("ACCESS_TOKEN_MINUTES", 10, least=1))
REFRESH_TOKEN_LIFETIME = timedelta(days=env.integer("REFRESH_TOKEN_DAYS", 14, least=1))
SIGNING_KEY_DAYS = env.integer("SIGNING_KEY_DAYS", 30, least=1)
# Tokens name who signed them; an installation that has not been told its address has a name that stays.
ISSUER = env.address("PUBLIC_URL").rstrip("/") or "flueman"
OIDC_ISSUER = env.address("OIDC_ISSUER")
OIDC_CLIENT_ID = env.text("OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = env.text("OIDC_CLIENT_SECRET")
OIDC_SCOPES = env.text("OIDC_SCOPES", "openid profile email")
OIDC_NAME = env.text("OIDC_NAME", urlsplit(OIDC_ISSUER).hostname or "")
OIDC_ROLES_CLAIM = env.text("OIDC_ROLES_CLAIM")
OIDC_ROLES = {pair.split("=")[0]: pair.split("=")[-1] for pair in env.items("OIDC_ROLES")}
ANONYMOUS_LIMIT = env.limit("ANONYMOUS_PER_MINUTE", 600)
LOGIN_LIMIT = env.limit("LOGINS_PER_MINUTE", 60)
PASSWORD_RESET_TIMEOUT = 3600
SECOND_FACTOR_ROLES = env.items("SECOND_FACTOR_ROLES")
AXES_FAILURE_LIMIT = env.integer("LOGIN_FAILURES", 5, least=1)
AXES_COOLOFF_TIME = timedelta(minutes=env.integer("LOGIN_LOCKED_MINUTES", 15, least=1))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_USERNAME_CALLABLE = "accounts.lockout.hidden_name"
AXES_CLIENT_IP_CALLABLE = "accounts.lockout.address_of"
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.flag("SECURE_COOKIES", IS_PRODUCTION)
SECURE_SSL_REDIRECT = env.flag("SECURE_SSL_REDIRECT", IS_PRODUCTION)
SECURE_HSTS_SECONDS = env.integer("SECURE_HSTS_SECONDS", 365 * 24 * 3600 if IS_PRODUCTION else 0)
# Other hosts of the domain, and browsers' preload lists, are not ours to decide on.
# `accounts/services/entry.py` asks axes itself, so it needs neither a middleware nor a backend.
SILENCED_SYSTEM_CHECKS = ["axes.W002", "axes.W003", "security.W005", "security.W021"]
SECURE_REFERRER_POLICY = SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CORS_ORIGINS = env.items("CORS_ORIGINS")
X_FRAME_OPTIONS = "DENY"

# -- language and time -------------------------------------------------------------------------------------------------
LANGUAGE_CODE = env.choice("FLUEMAN_LANGUAGE", "ko", ("ko", "en"))
LANGUAGES = [("ko", _("Korean")), ("en", _("English"))]
# What our own apps say goes before what a package says of the same word, wherever it stands among the apps.
_folders = dict.fromkeys(BASE_DIR / app.partition(".")[0] / "locale" for app in INSTALLED_APPS)
LOCALE_PATHS = [folder for folder in _folders if folder.is_dir()]
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.text("TIME_ZONE", "Asia/Seoul")
USE_THOUSAND_SEPARATOR = True

# -- REST --------------------------------------------------------------------------------------------------------------
APPEND_SLASH = False
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.CredentialAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["common.api.ModelPermissions"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.throttling.AnonymousThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["common.api.JsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["common.api.JsonParser"],
    "DEFAULT_PAGINATION_CLASS": "common.api.KeysetPagination",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "common.api.exception_handler",
    "PAGE_SIZE": 50,
}
SPECTACULAR_SETTINGS = openapi.SETTINGS
MAX_JSON_BYTES = env.integer("MAX_JSON_BYTES", 1024 * 1024)

# -- approvals ---------------------------------------------------------------------------------------------------------
# How long a request for approval can be decided and carried out.
APPROVAL_HOURS = env.number("APPROVAL_HOURS", 72, least=0.01)

# -- inference ---------------------------------------------------------------------------------------------------------
RECORD = env.choice("RECORD", "committed", ("committed", "relaxed"))
PREDICT_LIMIT = env.limit("PREDICT_PER_MINUTE", 0)
PREDICT_ROWS_LIMIT = env.rows_limit("PREDICT_ROWS_PER_MINUTE", 0)
MAX_INFER_BYTES = env.integer("MAX_INFER_BYTES", 16 * 1024 * 1024)
INFER_DEADLINE_S = env.number("INFER_DEADLINE_S", 10, least=0.1)
INFER_QUEUE_ROWS = env.integer("INFER_QUEUE_ROWS", 4096, least=1)
INLINE_INPUT_BYTES = 256 * 1024  # a row of this size costs an eighth of a blob: docs/decisions.md
ASYNC_AT_ONCE = env.integer("ASYNC_AT_ONCE", 4, least=1)
ASYNC_DEADLINE_S = env.number("ASYNC_DEADLINE_S", 3600, least=1)
# How long somebody without an account may judge an answer with the token that came with it.
FEEDBACK_TOKEN_HOURS = env.number("FEEDBACK_TOKEN_HOURS", 24, least=0.01)
FEEDBACK_KEEP_DAYS = env.integer("FEEDBACK_KEEP_DAYS", 0)  # 0 for good
SHADOW_KEEP_DAYS = env.integer("SHADOW_KEEP_DAYS", 90)  # likewise
ASYNC_RESULT_HOURS = env.number("ASYNC_RESULT_HOURS", 24, least=0.01)
BATCH_RUN_HOURS = env.number("BATCH_RUN_HOURS", 24, least=0.01)
# An attempt at a dataset version: how long it may take, and how much memory of its own it may hold.
PREPROCESSING_HOURS = env.number("PREPROCESSING_HOURS", 24, least=0.01)
PREPROCESSING_MEMORY_BYTES = env.integer("PREPROCESSING_MEMORY_BYTES", 1536 * 1024**2, least=256 * 1024**2)
RAY_ADDRESS = env.text("RAY_ADDRESS", "")
IMPORT_FOLDERS = env.items("IMPORT_FOLDERS")
IMPORT_DATABASES = env.addresses("IMPORT_DATABASES")
IMAGE = env.text("FLUEMAN_IMAGE", f"flueman:{VERSION}")
RUNNER = {
    "MEMORY_BYTES": env.integer("RUNNER_MEMORY_BYTES", 6 * 1024**3),
    "BATCH_DEADLINE_S": env.number("RUNNER_BATCH_DEADLINE_S", 20, least=0.1),
    "MAX_BATCH": env.integer("RUNNER_MAX_BATCH", 128, least=1),
    "THREADS": env.integer("RUNNER_THREADS", 1, least=1),
    "CHECK_DEADLINE_S": env.number("RUNNER_CHECK_DEADLINE_S", 120, least=1),
    "QUEUE_ROWS": env.integer("RUNNER_QUEUE_ROWS", 4096, least=1),
    "OPEN": env.flag("RUNNER_OPEN_PROGRAMS", default=False),
}
RUNNER_DEVICE = env.text("RUNNER_DEVICE", "auto")
# One side of a door between machines: a host listens and shows a certificate, web trusts it; both know the token.
MODEL_HOST = {
    "NAME": env.text("MODEL_HOST_NAME"),
    "TAKES": env.text("MODEL_HOST_TAKES", "*"),
    "LISTEN": env.text("MODEL_HOST_LISTEN"),
    "ADDRESS": env.text("MODEL_HOST_ADDRESS"),
    "CERTIFICATE": env.text("MODEL_HOST_CERTIFICATE"),
    "KEY": env.text("MODEL_HOST_KEY"),
    "TOKEN": env.text("MODEL_HOST_TOKEN"),
    "TRUST": env.text("MODEL_HOST_TRUST"),
}

# -- jobs: the row is the truth, django-q2 rings the bell: `orm://default`, `redis://host`, `sqs://name?aws_region=…` --
QUEUE_URL = env.address("QUEUE_URL", "orm://default")
JOB_TIMEOUT_S = env.integer("JOB_TIMEOUT_S", 600, least=1)
JOB_MEMORY_BYTES = env.integer("JOB_MEMORY_BYTES", 4 * 1024**3, least=64 * 1024**2)
_queue = urlsplit(QUEUE_URL)
if _queue.scheme == "sqs":
    _options = {name: values[0] for name, values in parse_qs(_queue.query).items()}
    _broker = {"broker_class": "jobs.sqs_broker.SqsBell", "sqs": {**_options, "receive_message_wait_time_seconds": 2}}
elif _queue.scheme in ("redis", "rediss"):
    _patience = "" if "socket_timeout" in _queue.query else "socket_timeout=3&socket_connect_timeout=2"
    _address = _queue._replace(query="&".join(filter(None, (_queue.query, _patience)))).geturl()
    _broker = {"broker_class": "jobs.redis_broker.RedisBell", "redis": _address}
else:
    _broker = {"broker_class": "jobs.brokers.OrmBell", "orm": "default"}
Q_CLUSTER = {
    "name": (_queue.netloc if _queue.scheme == "sqs" else "") or "flueman",
    "workers": env.integer("JOB_WORKERS", 2, least=1),
    "timeout": 3600,  # jobs keep their own deadlines: a bell is rung with none
    "retry": 7200,
    "max_attempts": 1,
    "ack_failures": True,
    "bulk": 1,
    "queue_limit": 1,
    "scheduler": False,
    "save_limit": 100,
    "label": "Django Q",
    "poll": 0.5,
    **_broker,
}

# -- what leaves the house: e-mail, and addresses that somebody gave ---------------------------------------------------
EMAIL_URL = env.address("EMAIL_URL", f"file://{quote(str(FLUEMAN_HOME / 'mail'))}")
globals().update(mail.read(EMAIL_URL))
EMAIL_TIMEOUT = 15
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("EMAIL_FROM", "Flueman <flueman@localhost>")
PUBLIC_URL = env.address("PUBLIC_URL", f"http://{f'[{HOST}]' if ':' in HOST else HOST}:{PORT}").rstrip("/")
OUTGOING_ALLOW = env.items("OUTGOING_ALLOW")
OUTGOING_PORTS = env.integers("OUTGOING_PORTS", (80, 443), most=65535)

# -- logs: console in development, JSON in production ------------------------------------------------------------------
LOG_FORMAT = env.choice("LOG_FORMAT", "json" if IS_PRODUCTION else "console", ("json", "console"))
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"flueman": {"()": "common.logs.make_formatter", "style": LOG_FORMAT}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "flueman"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {"django.request": {"level": "ERROR"}, "django-q": {"level": "WARNING"}, "axes": {"level": "ERROR"}},
}

# -- admin theme: common/admin.py fills what needs code ----------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": "Flueman",
    "SITE_HEADER": "Flueman",
    "SITE_URL": None,
    "SITE_ICON": "flueman.navigation.icon",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "flueman.navigation.icon"}],
    "STYLES": ["flueman.navigation.style"],
    "SCRIPTS": ["flueman.navigation.keys_script", "flueman.navigation.live_script"],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": True,
    "LANGUAGES": {"action": "flueman.navigation.language_url"},
    "ACCOUNT": {"navigation": "flueman.navigation.account_links"},
    "DASHBOARD_CALLBACK": "flueman.dashboard.fill",
    "ENVIRONMENT": "flueman.dashboard.environment",
    "BORDER_RADIUS": "8px",
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 262)",
            "100": "oklch(93.5% .032 262)",
            "200": "oklch(88% .06 262)",
            "300": "oklch(81% .1 262)",
            "400": "oklch(72% .15 262)",
            "500": "oklch(62% .19 262)",
            "600": "oklch(52% .19 263)",
            "700": "oklch(46% .18 264)",
            "800": "oklch(40% .15 264)",
            "900": "oklch(35% .12 264)",
            "950": "oklch(27% .09 264)",
        },
    },
    "SIDEBAR": {"navigation": "flueman.navigation.sidebar", "show_search": False},
}
