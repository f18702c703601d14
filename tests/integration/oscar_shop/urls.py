"""The shop's addresses: Oscar at the root, its pictures, and a robots.txt."""

from django.apps import apps
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path
from django.views.static import serve

from tests.integration.oscar_shop.goods import WITHHELD
from tests.integration.oscar_shop.settings import MEDIA_ROOT

ROBOTS = f"""User-agent: *
Disallow: /basket/
Disallow: /accounts/
Disallow: /search/
Disallow: /catalogue/*/reviews/
Disallow: /catalogue/{WITHHELD}
"""


def robots(request: HttpRequest) -> HttpResponse:
    """The shop's rules for crawlers."""
    return HttpResponse(ROBOTS, content_type="text/plain")


urlpatterns = [
    path("robots.txt", robots),
    re_path(r"^media/(?P<path>.*)$", serve, {"document_root": MEDIA_ROOT}),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include(apps.get_app_config("oscar").urls[0])),
]
