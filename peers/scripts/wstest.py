"""Runs AutobahnTestSuite's wstest under the unpacked Python 2.7: argv[1] is its site folder."""
import site
import sys

site.addsitedir(sys.argv.pop(1))
from autobahntestsuite.wstest import run  # noqa: E402

run()
