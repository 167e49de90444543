<?php
/*
 * The Advosync module for EspoCRM: EspoCRM's side of the sync with Advoware.
 * Copyright (C) 2026 the advosync authors
 * SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * This program is free software: you can redistribute it and/or modify it under
 * the terms of the GNU Affero General Public License as published by the Free
 * Software Foundation, either version 3 of the License, or (at your option) any
 * later version. It is distributed in the hope that it will be useful, but WITHOUT
 * ANY WARRANTY; without even the implied warranty of MERCHANTABILITY or FITNESS FOR
 * A PARTICULAR PURPOSE. See the GNU Affero General Public License for more details:
 * <https://www.gnu.org/licenses/>.
 */

namespace Espo\Modules\Advosync\Cleanup;

use DateTimeImmutable;
use DateTimeZone;
use Espo\Core\Cleanup\Cleanup;
use Espo\Modules\Advosync\Core\Log;

/**
 * The log's part of EspoCRM's daily clean-up job: rows are kept for thirty days.
 */
class AdvosyncChanges implements Cleanup
{
    private const PERIOD = '-30 days';

    public function __construct(private Log $log)
    {}

    public function process(): void
    {
        $from = (new DateTimeImmutable('now', new DateTimeZone('UTC')))->modify(self::PERIOD);

        $this->log->dropBefore($from->format('Y-m-d H:i:s'));
    }
}
