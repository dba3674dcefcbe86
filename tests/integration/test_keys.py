"""`tributary keys`: who may call the APIs, from creation to revocation, against a real database."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from shared import access, migrate
from tests.conftest import NewDatabase

COMMAND = str(Path(sys.executable).with_name("tributary"))


@pytest.fixture
async def url(new_database: NewDatabase) -> str:
    made = await new_database("keys")
    await asyncio.to_thread(migrate.upgrade, made, script_location="shared:access_migrations", schema="access")
    return made


async def keys(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `tributary keys …` as a user does."""
    environment = {**os.environ, "TRIBUTARY_DATABASE_URL": url, "COLUMNS": "80"}
    return await asyncio.to_thread(
        subprocess.run, [COMMAND, "keys", *arguments], env=environment, capture_output=True, text=True, check=False
    )


async def test_a_key_lives_from_its_creation_to_its_revocation(url: str) -> None:
    """The token is shown once and admits its holder; from the revocation on it is refused; the list tells both."""
    made = await keys(url, "create", "--name", "Fernhill", "--source", "fernhill", "--scope", "rewards:read",
                      "--partner", "fernhill")  # fmt: skip
    token = made.stdout.strip()
    assert token.startswith(access.PREFIX)
    async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool:
        caller = await access.authenticate(pool, token)
        assert caller is not None
        assert (caller.source, caller.partner, caller.scopes) == ("fernhill", "fernhill", frozenset({"rewards:read"}))
        assert not caller.may_act_for("another")
        listed = await keys(url, "list")
        assert caller.key_id in listed.stdout
        assert "in force" in listed.stdout
        assert token not in listed.stdout
        assert (await keys(url, "revoke", caller.key_id)).returncode == 0
        assert await access.authenticate(pool, token) is None
    assert "revoked" in (await keys(url, "list")).stdout


@pytest.mark.parametrize("token", ["", "trb_", "trb_unknown", "Bearer x", "\ud800", "x" * 10_000])
async def test_a_made_up_token_admits_nobody(url: str, token: str) -> None:
    """Whatever is sent as a token, it is refused and nothing fails."""
    async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool:
        assert await access.authenticate(pool, token) is None


async def test_mistakes_are_answered_with_the_remedy(url: str) -> None:
    """An unknown scope lists the known ones; an unknown key points to the list."""
    wrong = await keys(url, "create", "--name", "x", "--source", "x", "--scope", "everything")
    assert (wrong.returncode, "unknown scope 'everything'" in wrong.stderr) == (2, True)
    assert "deals:write" in wrong.stderr
    missing = await keys(url, "revoke", "key_nobody")
    assert (missing.returncode, "keys list" in missing.stderr) == (2, True)
