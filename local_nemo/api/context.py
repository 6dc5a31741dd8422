"""How a request handler gets at the running server's parts: declare a parameter `services: Context`."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request

if TYPE_CHECKING:
    from local_nemo.services import Services
else:  # importing it would load the engine and its packages into every test of an endpoint
    Services = Any


def get_services(request: Request) -> Services:
    return request.app.state.services


Context = Annotated[Services, Depends(get_services)]
