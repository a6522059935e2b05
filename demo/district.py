"""The district's side: claiming the hub, and letting schools in with one-time tokens."""

from pathlib import Path
from typing import Final

from msgspec import Struct

from demo.phone import Phone
from demo.school import School, Staff, new_staff, sign_in_staff

TOKEN_HOURS: Final = 24
CLAIM_CODE_FILE: Final = "claim-code"


class District(Struct, frozen=True):
    """A claimed hub and its first administrator."""

    port: int
    admin: Staff


class NewToken(Struct, frozen=True):
    """A one-time token, as the hub shows it this once."""

    token: str


async def claim_hub(port: int, data_dir: Path) -> District:
    """Type the code the hub's console shows, and make the district."""
    admin = new_staff("Fatuma Noor", "fatuma")
    body = {
        "code": (data_dir / CLAIM_CODE_FILE).read_text().strip(),
        "district_name": "Lakeside District",
        "admin_name": admin.name,
        "sign_in_name": admin.sign_in_name,
        "password": admin.password,
    }
    async with Phone(port) as phone:
        (await phone.send_patiently("POST", "/api/v1/claim", body)).must()
    return District(port, admin)


async def let_in(district: District, school: School, hub_url: str) -> None:
    """Make a token at the hub and type it on the school's box."""
    async with Phone(district.port) as office, Phone(school.port) as box:
        await sign_in_staff(office, district.admin)
        wish = {"mode": "adopt", "hours": TOKEN_HOURS}
        new = await office.post("/api/v1/enrolment-tokens", wish, NewToken)
        await sign_in_staff(box, school.keeper)
        told = {"hub_url": hub_url, "token": new.token}
        (await box.send_patiently("PUT", "/api/v1/box/hub-enrolment", told)).must()
