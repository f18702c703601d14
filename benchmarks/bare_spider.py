"""What people write by hand: a Scrapy spider with three selectors, writing JSON lines.

`python -m benchmarks.bare_spider HOST FILE`
"""

# Untyped, as people write it.
# mypy: ignore-errors

import sys

import scrapy
from scrapy.crawler import CrawlerProcess


class BareSpider(scrapy.Spider):
    """Follows the list and takes title, picture and breadcrumbs of every product."""

    name = "bare"

    def parse(self, response):
        yield from response.follow_all(css="li.item a.name", callback=self.parse_product)
        yield from response.follow_all(css="a.next")

    def parse_product(self, response):
        yield {
            "url": response.url,
            "title": response.css("h1.title::text").get(),
            "image": response.urljoin(response.css(".gallery img::attr(src)").get()),
            "category_path": response.css(".crumbs li::text").getall(),
        }


def main(host: str, file: str, concurrency: int) -> None:
    """Crawl the shop to its end."""
    settings = {
        "FEEDS": {file: {"format": "jsonlines"}},
        "ROBOTSTXT_OBEY": True,
        "CONCURRENT_REQUESTS": concurrency,
        "CONCURRENT_REQUESTS_PER_DOMAIN": concurrency,
        "DOWNLOAD_DELAY": 0,
        "LOG_LEVEL": "ERROR",
        "TELNETCONSOLE_ENABLED": False,
    }
    process = CrawlerProcess(settings)
    process.crawl(BareSpider, start_urls=[f"http://{host}/"])
    process.start()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
