"""Runs CPython's own network tests of nntplib against one server.

The tests are those of Lib/test/test_nntplib.py, unmodified: this file says which
server they talk to. Two of them are skipped in the file itself because of the
public servers that they were written for; here they run.

usage: nntplib_suite.py host port [tls-port]
"""

import sys
import unittest
import warnings

warnings.simplefilter("ignore", DeprecationWarning)

import nntplib
from test import support
from test import test_nntplib

HOST, PORT = sys.argv[1], int(sys.argv[2])
TLS_PORT = int(sys.argv[3]) if len(sys.argv) > 3 else None


class Plain(nntplib.NNTP):
    """The class under test, which the tests give no port."""

    def __init__(self, host, port=PORT, **kwargs):
        super().__init__(host, port, **kwargs)


class ImplicitTLS(nntplib.NNTP_SSL):
    def __init__(self, host, port=TLS_PORT, **kwargs):
        super().__init__(host, port, **kwargs)


def unskipped(name):
    """The function below the wrappers that skip it."""
    test = getattr(test_nntplib.NetworkedNNTPTestsMixin, name)
    while hasattr(test, "__wrapped__"):
        test = test.__wrapped__
    return test


class Server:
    NNTP_HOST = HOST
    GROUP_NAME = "misc.test"
    GROUP_PAT = "misc.*"
    DESC = "Try things out"

    test_over = unskipped("test_over")
    test_article_head_body = unskipped("test_article_head_body")


class PlainTests(Server, test_nntplib.NetworkedNNTPTests):
    NNTP_CLASS = Plain


class TLSTests(Server, test_nntplib.NetworkedNNTP_SSLTests):
    NNTP_CLASS = ImplicitTLS
    test_list = test_nntplib.NetworkedNNTPTestsMixin.test_list  # ours is short


def main():
    support.use_resources = ["network"]
    suite = unittest.TestSuite()
    for cases in [PlainTests] + ([TLSTests] if TLS_PORT else []):
        suite.addTests(unittest.defaultTestLoader.loadTestsFromTestCase(cases))
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    # The suite skips what it takes for trouble of the network.
    sys.exit(not result.wasSuccessful() or bool(result.skipped) or result.testsRun < 15)


main()
