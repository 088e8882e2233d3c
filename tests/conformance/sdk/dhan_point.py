"""Points the Dhan SDK at a simulator: it has no arguments for that, only class attributes."""

from dhanhq import DhanContext, DhanHTTP, DhanLogin
from dhanhq._security import Security


def context(root: str, client_id: str, token: str) -> DhanContext:
    DhanHTTP.API_BASE_URL = f"{root}/v2"
    DhanLogin.API_BASE_URL = f"{root}/v2"
    DhanLogin.AUTH_BASE_URL = root
    Security.COMPACT_CSV_URL = f"{root}/api-data/api-scrip-master.csv"
    return DhanContext(client_id, token)
